"""What a sentence does to the paths in it: makes, reads or deletes them."""

import re
from functools import lru_cache
from typing import Final, Literal

from specbuild.engine.task import Mention
from specbuild.patterns import Pattern
from specbuild.taskfile.endings import SPEC_NAMES
from specbuild.taskfile.prose import Found, find

_LOOKING: Final = Pattern(
    r"(?:verify|run|re-?run|check|double-check|confirm|validate|review|read"
    r"|verificar|verifica|verifique|ejecutar|ejecuta|revisar|revisa|comprobar|validar|valida|confirmar|confirma|executar|rodar|rever"
    r"|vérifier|exécuter|lancer|valider|confirmer|relire|prüfen?|überprüfen?|ausführen|verifizieren|bestätigen|zweryfikuj|sprawdź|uruchom"
    r"|проверить|запустить)(?![\w-])"
    r"|验证|驗證|确认|確認|检查|檢查|运行|執行|执行|审查|校验|跑",
    re.IGNORECASE,
)
_READ: Final = frozenset(("from", "using", "use", "uses", "per", "see", "following", "against", "with"))
_PLACE: Final = frozenset(
    """
    in into to at on onto for of under inside within as by through via between across over below alongside
    """.split()  # noqa: SIM905  (a list would take a page)
)
_PHRASES: Final = frozenset((("based", "on"), ("based", "upon"), ("according", "to")))
_BREAK: Final = re.compile(
    r"[;:(（；：。！？，]|[.!?]\s|\s[–—-]\s|[→⇒]|->|=>|,\sand\s|\sthen\s|\sso\s(?:that\s)?"
)
_TOGETHER: Final = re.compile(
    r"[\s`*\"')\]]*(?:,|、|，|;|&|\+|/|(?:,\s?)?(?:and|or|und|y|et|e|plus)(?=[\s`])|和|与|及|或|と|및|や)?[\s`*\"'(\[]*\Z",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(
    r"(?:\A|[;:,.(（。；，、！]\s?|(?<![\w-])(?:and|then|&|or|to)\s)[\s`*_~\"'\[\]\-–—]*(?=\w)"
)
_DELETE: Final = Pattern(
    r"(?:delete|remove|drop|eliminar|elimina|borrar|borra|supprimer|supprime|löschen|entfernen|remover|excluir|apagar|usuń|удалить)(?![\w-])"
    r"|删除|刪除|移除|去掉",
    re.IGNORECASE,
)
_WRITE: Final = Pattern(
    r"(?:create|write|update|add|edit|modify|generate|draft|document|extend|revise|fill(?:\sin|\sout)?|complete|author|refresh|amend"
    r"|rewrite|fix|sync|append|expand|improve|finali[sz]e|produce|initiali[sz]e|populate|correct|adjust|change|maintain|prepare|replace"
    r"|crear|actualizar|escribir|editar|criar|atualizar|escrever|créer|mettre\sà\sjour|rédiger|modifier|erstellen|aktualisieren|schreiben)(?![\w-])"
    r"|创建|新建|编写|撰写|更新|修改|完善|补充|生成|新增|添加",
    re.IGNORECASE,
)
_INTO: Final = Pattern(r"(?<![\w-])(?:to|into)\s[^\s]*\s?[`\"'(\[]*\Z", re.IGNORECASE)
_ADDING: Final = Pattern(
    r"(?:add|append|write|save|record|document|copy|move|put|insert)(?![\w-])", re.IGNORECASE
)
_READ_BEFORE: Final = Pattern(
    r"(?:从|自|根据|根據|依据|基于|基於|参考|參考|参照|按照|依照|遵循|使用|参见|详见|见|对照|按)\s?[`\"'「『]*\Z"
)
_DELETE_BEFORE: Final = Pattern(r"(?:删除|刪除|移除)(?:文件|旧|旧的|旧文件|整个)?\s?[`\"'「『]*\Z")
_WRITE_BEFORE: Final = Pattern(r"(?:创建|新建|编写|撰写|更新|修改|完善|补充|生成|新增|添加)\s?[`\"'「『]*\Z")
_READ_AFTER: Final = Pattern(
    r"[`\"'」』\s]*(?:から|を?(?:参照|参考|基に|元に|もとに|使用|利用|使っ|読)|に(?:基づ|従|沿|準拠)|(?:를|을)?\s?(?:참조|참고|기반|바탕)|에\s?따라)"
)
_DELETE_AFTER: Final = Pattern(
    r"[`\"'」』\s]*(?:ファイル)?(?:を)?(?:削除|除去|撤去)|[`\"'\s]*(?:파일)?\s?(?:를|을)?\s?(?:삭제|제거)"
)
_WRITE_AFTER: Final = Pattern(
    r"[`\"'」』\s]*(?:ファイル)?(?:[をの]\s?)?(?:作成|更新|編集|追記|修正|生成)|[`\"'」』\s]*に[^`、。]{0,40}(?:追加|追記|記載)|[`\"'\s]*(?:파일)?\s?(?:를|을)?\s?(?:작성|생성|수정|업데이트|갱신)"
)
_NEAR: Final = 6  # words from a preposition to its path
_REACH: Final = 400  # characters that a clause is looked back for

Relation = Literal["made", "read", "deleted", "written", "placed"]


def mentions(title: str) -> tuple[tuple[Mention, ...], list[str]]:
    """The paths of a description with their roles, and the words that lead out of the repository."""
    found, outside = find(title)
    if not found:
        return (), outside
    looking = _looks(title)
    if len(found) == 1 and title.endswith(" in ", 0, found[0].start) and title.isascii():
        # by far the commonest sentence: `Create user model in src/models/user.js`
        return (_mention(found[0], "read" if looking else "placed"),), outside
    result: dict[str, Mention] = {}
    relation: Relation = "made"
    clause, end, last = 0, 0, -1
    for place in found:
        if place.start != last:
            between = title[end : place.start]
            if not (end and _TOGETHER.match(between)):
                clause = _clause_start(title, clause, end, place.start)
                relation = _relation(title, clause, end, place)
            elif after := _after(title, place.end):
                relation = after
            end, last = place.end, place.start
        mention = _mention(place, "read" if looking else relation)
        known = result.get(place.written)
        if known is None or (mention.role == "target" and (known.role == "read" or known.absent)):
            result[place.written] = mention
    return tuple(result.values()), outside


def _looks(title: str) -> bool:
    """Whether a task begins with a verb after which every path is read."""
    first = title.partition(" ")[0]
    if first.isalpha() and first.isascii():
        return _is_looking(first)
    return _LOOKING.match(title.lstrip("*_`~\"'([ ")) is not None


@lru_cache(maxsize=512)
def _is_looking(word: str) -> bool:
    return _LOOKING.match(word) is not None


def _mention(place: Found, relation: Relation) -> Mention:
    reads = relation == "read" or (relation in ("made", "placed") and is_spec_name(place.written))
    return Mention(place.written, "read" if reads else "target", place.certain, absent=relation == "deleted")


def is_spec_name(written: str) -> bool:
    """Whether a path names a document of the specification, beside the task file."""
    return (
        written in SPEC_NAMES or written.startswith("contracts/") or written.rpartition("/")[2] in SPEC_NAMES
    )


def _clause_start(title: str, clause: int, end: int, start: int) -> int:
    """Where the clause that holds the path at `start` begins."""
    for found in _BREAK.finditer(title, max(clause, end), start):
        clause = found.end()
    return clause


def _after(title: str, end: int) -> Relation | None:
    """What a word right behind a path says, in languages where it stands there."""
    if title[end : end + 2].isascii() and not (title[end : end + 3].strip(" `")[:1] > "\x7f"):
        return None
    if _DELETE_AFTER.match(title, end):
        return "deleted"
    if _READ_AFTER.match(title, end):
        return "read"
    return "written" if _WRITE_AFTER.match(title, end) else None


def _relation(title: str, clause: int, end: int, place: Found) -> Relation:
    after = _after(title, place.end)
    if after:
        return after
    before = title[max(clause, end, place.start - _REACH) : place.start]
    if not before.isascii():
        near = before[-12:]
        if _DELETE_BEFORE.search(near):
            return "deleted"
        if _READ_BEFORE.search(near):
            return "read"
        if _WRITE_BEFORE.search(near):
            return "written"
    governor, near_enough = _governor(before)
    if governor == "read":
        return "read" if near_enough else "made"
    if governor in ("in", "on"):
        return "placed"
    verb = _verb(title[max(clause, place.start - _REACH) : place.start])
    if governor == "from":  # `remove X from path` changes path
        return "placed" if verb is not None and _DELETE.match(verb) else "read" if near_enough else "made"
    if governor in ("to", "into"):
        return "written" if verb is not None and _ADDING.match(verb) and _INTO.search(before) else "placed"
    if governor is not None:
        return "placed"
    if verb is not None:
        return "deleted" if _DELETE.match(verb) else "written"
    return "made"


def _governor(before: str) -> tuple[str | None, bool]:
    """The last preposition before a path, `read` for those after which it is read; and whether it is near."""
    words = before.lower().split()
    far = False
    for place in range(len(words) - 1, -1, -1):
        word = words[place].strip("`*\"'_")
        if place and (words[place - 1], word) in _PHRASES:
            return "read", not far and len(words) - place <= _NEAR
        if word == "from":
            return word, not far and len(words) - place <= _NEAR
        if word in _READ:
            return "read", not far and len(words) - place <= _NEAR
        if word in _PLACE:
            return word, True
        far = far or word.endswith(",")
    return None, False


def _verb(before: str) -> str | None:
    """The text from the last clause's verb on, where that is a verb of writing or deleting."""
    found = None
    for start in _CLAUSE.finditer(before):
        rest = before[start.end() :]
        if _DELETE.match(rest) or _WRITE.match(rest):
            found = rest
    return found
