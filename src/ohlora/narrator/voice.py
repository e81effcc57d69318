"""How Oh-LoRA talks: what holds for a line whatever the match was."""

from __future__ import annotations

import re
import unicodedata

# Pictographs, dingbats, arrows and stars, with the marks that only modify them.
EMOJI = r"[\U0001F000-\U0001FAFF\u2600-\u27BF\u2B00-\u2BFF\u2300-\u23FF][\uFE0F\u200D\U0001F3FB-\U0001F3FF]*"
LENGTH = {"ko": (15, 80), "en": (20, 120)}  # characters, emoji included
# 요/니다 endings; nouns that merely end in 요 are listed before the rule.
POLITE = re.compile(
    r"(?<![가-힣])(?:필요|중요|수요|주요|동요|강요|고요|(?:무릎)?담요)(?![가-힣])|([가-힣]*(?:요|니다|니까요|세용|시죠|습죠))(?![가-힣])"
)
MARKUP = re.compile(r"https?:|www\.|[<>{}\[\]`|\\#]|\*\*")


def faults(line: str, language: str) -> list[str]:
    """Every way in which `line` is not in her voice; empty when it is."""
    found = []
    low, high = LENGTH[language]
    if not low <= len(line) <= high:
        found.append(f"{len(line)} characters, not {low} to {high}")
    if any(unicodedata.category(char) in ("Cc", "Co", "Cn", "Zl", "Zp") for char in line):
        found.append("a control character or a line break")
    if not re.search(rf"{EMOJI}$", line):
        found.append("no emoji at the end")
    if not re.search(rf"\w[^\w]*{EMOJI}[^\w]*\w", line):
        found.append("no emoji in the middle")
    if MARKUP.search(line):
        found.append("markup or an address")
    if language == "ko" and (polite := next((m[1] for m in POLITE.finditer(line) if m[1]), None)):
        found.append(f"a polite ending: {polite}")
    return found
