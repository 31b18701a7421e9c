"""What may be told of a vendor's words about records: words that are no value of any record, and names of files.

A vendor may repeat anything of what was sent, quoted in any way or not at all, so that nothing is told for its form:
only words that are listed here are. A value is masked even where it is made of them, if it is set apart as one.
"""

from __future__ import annotations

import re

MASK = "[…]"
# From where a value is opened to the last place at which it may be closed, or to the end: it may have such signs in it.
_SET_APART = re.compile(
    r"""(?<!\w)'(?:.*'(?!\w)|.*)|(?<!\w)"(?:.*"(?!\w)|.*)|`(?:.*`|.*)|(?<!\w)[‘’‚“”„‹›«»](?:.*[‘’‚“”„‹›«»](?!\w)|.*)"""
    r"""|\{(?:.*\}|.*)|\((?:.*\)|.*)|<(?:.*>|.*)|\[(?!secret\]|…\])(?:.*\]|.*)"""
)
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*\.json"
_QUOTED_NAME = re.compile(rf"""(?<!\S)(['"`])({_NAME})\1(?=[,;:.]?(?:\s|$))""")
_KEPT = re.compile(rf"(?:{_NAME}|\[secret\])[,;:.]?")
_WORD = re.compile(r"([A-Za-z]+(?:['_/-][A-Za-z]+)*)[,;:.!?]?")
_SEVERAL = re.compile(rf"{re.escape(MASK)}[,;:.]?(?:\s+{re.escape(MASK)}([,;:.]?))+")
_LIST = """
a able about above absent accept accepted access account action active add after again all allowed already also an and
another answer any api appears are array as at attribute attributes authorisation authorised authorization authorized
available bad be because been before being below between body both but by bytes call can can't cannot cause caused
change characters check collection column columns complete completed contact contain contains content corrupt could
couldn't create created credentials currency customer customers data date dates decode decoded delete disabled do does
doesn't don't duplicate duplicated duplicates each element elements email emails empty enabled encoding end ended
enough entity entry error errors exceed exceeded exceeds exist existing exists expected expired fail failed failure
fault field fields file files finished first for forbidden format formed found from full given greater had has have
header headers id identifier identifiers ids if ignored import in incomplete incorrect index inside instead internal
into invalid is isn't it item items its json keep key keys kind large last latest least length less limit line lines
list listing listings locked longer malformed many match maximum member members message method mib minimum mismatch
missing more most much must name named names need needs negative neither no none nor not note nothing null number
numbers object objects odd of on once one only open operation optional or order orders other our out over own
parameter parameters parse parsed parsing payload permission permitted phone please position price prices process
processed processing product products properties property query queue quota rate reach reached read reading receipt
received record records reference refused reject rejected request requests require required requires resource response
retry row rows same schema see seen send sent server service several should size smaller some string string's
structure submit submitted such support supported syntax temporarily text than that the their them then there these
they this those time timeout timestamp title to too total twice type types unable unavailable unexpected unique
unknown unless unprocessable unreadable unsupported until up update upload uploaded url use used user using utf valid
validate validation value values variant variants version was wasn't were when where whether which while whole with
within without write wrong yet you your zip
"""
_WORDS = frozenset(_LIST.split())


def in_plain_words(text: str) -> str:
    """One line with everything masked but those words and names; empty where nothing is left to be told."""
    bare = _SET_APART.sub(f" {MASK}", _QUOTED_NAME.sub(r"\2", text))
    told = [
        word if _may_be_told(word, is_first=not number) else MASK + (word[-1] if word[-1] in ",;:." else "")
        for number, word in enumerate(bare.split())
    ]
    if all(word.startswith(MASK) for word in told):
        return ""
    return _SEVERAL.sub(rf"{MASK}\1", " ".join(told))


def _may_be_told(word: str, *, is_first: bool) -> bool:
    """A capital is that of a name, unless it begins the text or all are, as in a status."""
    if _KEPT.fullmatch(word):
        return True
    found = _WORD.fullmatch(word)
    if not found:
        return False
    plain = found[1].islower() or found[1].isupper() or (is_first and found[1][1:].islower())
    return plain and all(part in _WORDS for part in re.split(r"[_/-]", found[1].lower()))
