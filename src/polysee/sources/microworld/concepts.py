"""The things that scenes are made of: emoji by category, some of them never shown in training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Concept:
    """One kind of thing. ``held_out``: no training picture shows it. ``index``: its place in `CONCEPTS`."""

    emoji: str
    category: str
    held_out: bool
    index: int


# Two lists a category: shown in training, and held out. Within a category the pictures differ clearly at 24 pixels.
_TABLE: dict[str, tuple[str, str]] = {
    "animals": ("🐕 🐈 🐘 🦁 🐖 🐑 🐸", "🐢 🐇"),
    "birds and sea": ("🐟 🐙 🦀 🐧 🦉 🐓 🦈", "🦆 🐬"),
    "fruit": ("🍉 🍋 🍑 🥥 🫐 🥝 🥭", "🍓 🍒"),
    "vegetables": ("🥕 🌶 🍆 🥒 🥦 🍄", "🥔 🍅"),
    "food": ("🍞 🧀 🍕 🍔 🥚 🍩", "🍰 🍦"),
    "vehicles": ("🚌 🚜 ✈ 🚕 🚑 🛵 ⛴", "🚓 🛴"),
    "clothes": ("👕 👖 👗 🧦 🎩 👓", "🧤 👜"),
    "things": ("📕 ✂ 🔑 🔨 📷 🔔 🎈", "🕯 🔒"),
    "nature": ("🌳 🌵 🌹 🌻 ⭐ 🌈", "🍁 ☀"),
    "music and sport": ("🎸 🥁 🎺 ⚽ 🏈 🎾", "🎻 🎹"),
}

CONCEPTS: tuple[Concept, ...] = tuple(
    Concept(emoji, category, held_out, index)
    for index, (emoji, category, held_out) in enumerate(
        (emoji, category, held_out)
        for category, lists in _TABLE.items()
        for held_out, emojis in enumerate(lists)
        for emoji in emojis.split()
        for held_out in (bool(held_out),)
    )
)
SQUARES: tuple[str, ...] = ("🟥", "🟧", "🟨", "🟩", "🟦", "🟪", "🟫")
CATEGORIES: tuple[str, ...] = tuple(_TABLE)


def members(category: str, *, held_out: bool) -> tuple[Concept, ...]:
    """The concepts of a category that are shown in training, or those that are not."""
    return tuple(c for c in CONCEPTS if c.category == category and c.held_out == held_out)
