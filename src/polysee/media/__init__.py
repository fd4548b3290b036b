"""Decoding, tiling, frames, fonts and drawing."""

from polysee.media.fribidi import load_unpacked

# Pillow looks for the library once, when its font module is imported: none of this folder's may be before this line.
load_unpacked()
