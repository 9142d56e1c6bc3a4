"""Fictitious firm names from neutral words: no person, place of business or real firm is meant."""

import random

_FIRST = (
    "Amber", "Azure", "Beacon", "Birch", "Blue", "Bright", "Cedar", "Clear", "Copper", "Coral", "Crystal", "Delta",
    "Evergreen", "Falcon", "Fern", "Golden", "Granite", "Green", "Harbour", "Hazel", "Indigo", "Ivory", "Jade",
    "Lantern", "Lotus", "Maple", "Meadow", "Meridian", "Mint", "Morning", "Northern", "Ocean", "Opal", "Orchid",
    "Pearl", "Pine", "Quartz", "Quiet", "Red", "River", "Saffron", "Sandal", "Silver", "Southern", "Stone",
    "Summit", "Sunrise", "Teak", "Topaz", "Violet", "Willow", "Winter",
)  # fmt: skip
_SECOND = (
    "Arch", "Banyan", "Bay", "Bridge", "Brook", "Canopy", "Castle", "Cliff", "Cloud", "Compass", "Crest", "Dune",
    "Field", "Fountain", "Garden", "Gate", "Grove", "Hill", "Horizon", "Island", "Lake", "Lane", "Leaf", "Mill",
    "Orchard", "Path", "Peak", "Plain", "Pond", "Ridge", "Shore", "Terrace", "Tower", "Trail", "Valley", "Wave",
    "Well", "Wheel",
)  # fmt: skip
_TRADE = (
    "Agro", "Bearings", "Ceramics", "Chemicals", "Electricals", "Fabrics", "Foods", "Furniture", "Glass",
    "Hardware", "Instruments", "Logistics", "Paper", "Plastics", "Printers", "Spices", "Textiles", "Timber",
    "Tools", "Traders",
)  # fmt: skip


def firm_name(draw: random.Random) -> str:
    """One of about 39,000 names, for example "Amber Ridge Textiles"."""
    return f"{draw.choice(_FIRST)} {draw.choice(_SECOND)} {draw.choice(_TRADE)}"
