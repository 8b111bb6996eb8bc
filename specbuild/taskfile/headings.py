"""What a heading says: a phase, a story, a priority, a task, or that the boxes below it are notes."""

import re
from typing import Final, NamedTuple

from specbuild.taskfile.marks import DECORATION, Head, read_head

_STORY: Final = re.compile(
    r"(?:user[\s-]*stor(?:y|ies)|\bstory|\bUS[- ]?(?=\d)|用户故事|使用者故事|用戶故事|ユーザー?ストーリー"
    r"|사용자\s*스토리|유저\s*스토리"
    r"|histori?as?\s+de\s+usu[aá]rio|hist[oó]rias?\s+do\s+usu[aá]rio|récits?\s+utilisateur|histoires?\s+utilisateur"
    r"|benutzergeschichte|anwendergeschichte|storia\s+utente|пользовательская\s+история|historia\s+użytkownika)"
    r"\s*[:：#-]?\s*(?:us[-\s]?)?(\d+[A-Za-z]?)(?![\d.])",
    re.IGNORECASE,
)
_PRIORITY: Final = re.compile(r"(?<![A-Za-z0-9])P([1-9])(?![A-Za-z0-9])")
_PHASE_WORD: Final = (
    r"(?:phase|stage|milestone|sprint|iteration|wave|increment"
    r"|fase|etapa|étape|phasen?|schritt|faza|etap|фаза|этап|етап|aşama|faz|giai\s+đoạn|vaihe"
    r"|阶段|階段|段階|フェーズ|フェイズ|페이즈|단계)"
)
_PHASE: Final = re.compile(
    rf"(?:{_PHASE_WORD}(?=[\s\d:：—–-]|$|[^\x00-\x7f])"
    rf"|第\s*[\d一二三四五六七八九十]+\s*(?:阶段|階段|段階|フェーズ|步|章|部分)|\d+\s*(?:단계|차)"
    rf"|(?:final|last|first)\s+{_PHASE_WORD}\b)",
    re.IGNORECASE,
)
_NUMBERED: Final = re.compile(
    r"(?:(?i:step|part|layer|group|section|module|epic|feature|milestone|week|day|task|tasks|work\s*package|track"
    r"|paso|parte|passo|étape|partie|teil|abschnitt|任务|任務|タスク|ステップ|步骤|步驟|작업|스텝|모듈|モジュール|模块)"
    r"(?:\s*[#-]?\s?\d+(?:\.\d+)*|\s(?:[A-Z]|[IVX]+))(?![A-Za-z0-9])"
    r"|WP\d+\b|\d+(?:\.\d+)*(?:[.:：)、]|\s|(?=[^\x00-\x7f]))(?!\s*$)|[一二三四五六七八九十]+[、.．])"
)
_STORY_FIRST: Final = re.compile(rf"(?:{_STORY.pattern})", re.IGNORECASE)
_NUMBER_FIRST: Final = re.compile(r"(?:[\d.]+[.:：)、]?|[一二三四五六七八九十]+[、.．])\s*")
_TAIL: Final = re.compile(r"\s*(?:[(（\[【].{0,80}|[:：—–-].{0,80}|[^\w\s].{0,3})?\Z")
_NOTES: Final = re.compile(
    r"(?:(?:\w+[\s-]+){0,3}?check-?\s?lists?|(?:user\s+|feature\s+|final\s+)?acceptance(?:\s+criteri(?:a|on)|\s+checks?)?"
    r"|definitions?\s+of\s+(?:done|ready)|do[dr]|(?:success|completion|exit|done|quality|verification|validation)\s+criteria"
    r"|(?:phase\s+[\w.]+\s+)?complet(?:e|ion)\s+when|done\s+when|quality\s+gates?|(?:external\s+)?prerequisites?"
    r"|(?:external\s+|task\s+)?dependencies"
    r"|验收(?:标准|條件|条件|准则)?|驗收(?:標準|條件)?|检查清单|檢查清單|检查项|完成(?:定义|标准|的定义|条件)|成功标准|质量门"
    r"|受け?入れ?(?:基準|条件|要件|テスト項目)?|完了(?:条件|の定義|基準|定義)|チェックリスト|成功基準"
    r"|인수\s*(?:기준|조건)|수락\s*기준|완료\s*(?:정의|조건|기준)|체크\s*리스트|성공\s*기준"
    r"|criterios?\s+de\s+(?:aceptaci[oó]n|éxito|exito)|lista\s+de\s+(?:verificaci[oó]n|comprobaci[oó]n|verificação|checagem)"
    r"|definici[oó]n\s+de\s+(?:hecho|terminado|listo)"
    r"|crit[eé]rios?\s+de\s+(?:aceita[cç][aã]o|aceite|sucesso|conclus[aã]o)|definição\s+de\s+(?:pronto|concluído|feito)"
    r"|crit[eè]res?\s+(?:d['’]acceptation|de\s+r[eé]ussite|de\s+succ[eè]s|de\s+validation)|liste\s+de\s+(?:contrôle|vérification)"
    r"|définition\s+(?:de|du)\s+(?:terminé|fini|fait)"
    r"|akzeptanzkriterien|abnahmekriterien|abnahme|checkliste|erfolgskriterien|definition\s+von\s+(?:fertig|erledigt)"
    r"|criteri\s+di\s+accettazione|критерии\s+(?:приемки|приёмки|успеха)|чек-?лист|kryteria\s+akceptacji)",
    re.IGNORECASE,
)


class Heading(NamedTuple):
    """A heading as it bears on the tasks below it."""

    text: str  # without `#` and emphasis
    level: int
    head: Head  # its id and markers, where it may be a task itself
    phase: str  # "word", "story", "number", or "" for none
    story: str | None
    priority: int | None
    notes: bool


def clean(text: str) -> str:
    """A heading's text without `#`s at either end and without emphasis."""
    core = text.strip().lstrip("#").strip()
    bare = core.rstrip("#")
    if bare != core and (not bare or bare[-1] in " \t"):
        core = bare.rstrip()
    return " ".join(core.replace("**", "").split())


def read_heading(text: str, level: int) -> Heading:
    core = clean(text)[:400]
    head = read_head(core, heading=True)
    decorated = DECORATION.match(core)
    start = core[decorated.end() :] if decorated else core
    if _STORY_FIRST.match(start) or (start[:1] == "[" and _STORY.match(start, 1)):
        kind = "story"
    elif _PHASE.match(start):
        kind = "word"
    elif _NUMBERED.match(start):
        kind = "number"
    else:
        kind = ""
    stories = {number.upper() for number in _STORY.findall(core)}
    priorities = set(_PRIORITY.findall(core))
    return Heading(
        text=core,
        level=level,
        head=head,
        phase=kind,
        story=f"US{stories.pop()}" if len(stories) == 1 else None,
        priority=int(priorities.pop()) if len(priorities) == 1 else None,
        notes=level > 1 and is_notes(start),
    )


def is_notes(text: str) -> bool:
    """Whether boxes below a heading of this text are notes: acceptance criteria, checklists and the like."""
    found = _NUMBER_FIRST.match(text)
    core = text[found.end() :] if found else text
    decorated = DECORATION.match(core)
    core = core[decorated.end() :] if decorated else core
    named = _NOTES.match(core)
    return named is not None and _TAIL.match(core, named.end()) is not None
