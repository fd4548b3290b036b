"""Asks a server many questions, until somebody kills it."""

from __future__ import annotations

import sys
from pathlib import Path

from polysee.services.base import ChatMessage, ChatReply, ChatRequest
from polysee.services.chat import ChatService
from polysee.services.config import ChatConfig
from polysee.services.database import Database

QUESTIONS = 300
AT_ONCE = 8


def main(url: str, folder: Path) -> None:
    """Ask all questions and print how many were answered."""
    config = ChatConfig(name="writer", base_url=url, model="tiny", max_concurrency=AT_ONCE, price_in=1, price_out=1)
    database = Database(folder)
    chat = ChatService(config, database, folder)
    answers = chat.ask([ChatRequest((ChatMessage("user", f"قطة {number}"),)) for number in range(QUESTIONS)])
    print(sum(isinstance(answer, ChatReply) for answer in answers))
    chat.close()
    database.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
