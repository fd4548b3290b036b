"""What an answer says: option letters, yes or no, numbers, boxes, and the result of long reasoning."""
