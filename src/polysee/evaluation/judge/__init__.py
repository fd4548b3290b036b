"""A language model as a judge of answers: in both orders, several times, with every unreadable verdict counted."""
