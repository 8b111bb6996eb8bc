"""Paths in a task's description, and what the sentence says is done to them."""

import re
from typing import Final, Literal, NamedTuple

from specbuild.engine.task import Mention

ENDINGS: Final = frozenset(
    """
    adoc arb astro avif avsc bak bash bat bats bicep bib blade bmp bzl c cc cfg cjs clj cljs cljc cmake cmd coffee conf config
    cpp cs csh cshtml csproj css csv cts cu cxx cypher dart db dbml dockerfile dockerignore docx dot drawio edn editorconfig ejs elm
    entitlements env eot epub erb erl eslintrc ex example exs feature fish flow frag fs fsproj fsx gd gemspec geojson gif
    gitattributes gitignore gitkeep gleam glsl go gql gradle graphql graphqls groovy h haml handlebars hbs hcl heex hh hpp hrl
    hs htm html hurl hxx ico ics idl ini inl ipynb iml j2 jar java jinja jinja2 jl jpeg jpg js json json5 jsonc jsonl jsonld jsp
    jsx kql kt kts leex less lhs liquid lisp lock lottie lua m4 markdown md mdc mdx mermaid mjs mk mkd ml mli mm mmd mod mojo mp3 mp4
    msg mts mustache ndjson nim nimble nix njk npmrc nvmrc ods odt ogg onnx org otf out parquet patch pbxproj pcss pdf pem php
    phtml pid pkl pl plist pm png po pot pp pptx prettierrc prisma properties props proto ps1 psd1 psm1 puml pug purs py pyi
    pyx qml qmd r rake razor rb rbi rdf res rego resx rkt rmd rs rsc rst rtf ru sass scala scm scss sh slim sln slnx snap sol
    spec sql sqlite sqlx ssml storyboard strings styl sty sum surql sv svelte svg svh swift tcl targets template tex text tf tfstate
    tfvars thrift tmpl toml tpl tscn tsv tsx ts ttf twig txt typ v vbproj vb vert vhd vhdl vim vtt vue wasm wat wav webm
    webmanifest webp wgsl woff woff2 wsdl xaml xcconfig xcscheme xcworkspace xcodeproj xhtml xib xlf xliff xlsx xml xsd xsl xslt yaml yml zig
    zsh tar gz tgz zip csx ics tape
    """.split()
)
_WITH_FOLDER: Final = frozenset(
    "bak config dot env example flow frag key log m map msg out pem pid pm props r res rsc ru spec targets template v".split()
)
"""Endings that after a bare word are more often a property (`console.log`, `process.env`)."""

_FILES: Final = frozenset(
    "Dockerfile Makefile Gemfile Rakefile Procfile Jenkinsfile Vagrantfile Justfile Containerfile Brewfile Podfile Fastfile"
    " Pipfile Caddyfile Tiltfile CODEOWNERS .env .gitignore .gitattributes .dockerignore .editorconfig .npmrc .nvmrc .prettierrc"
    " .eslintrc .babelrc .env.example .env.local .env.test .env.development .env.production .env.sample .env.template"
    " .prettierignore .eslintignore .node-version .python-version .ruby-version .tool-versions .swcrc .stylelintrc".split()
)
_PRODUCTS: Final = frozenset(
    "Node.js node.js Next.js next.js Nuxt.js nuxt.js Vue.js vue.js React.js react.js Express.js express.js Nest.js NestJS.js Three.js"
    " three.js D3.js d3.js Chart.js chart.js Alpine.js Ember.js Backbone.js Moment.js Day.js day.js Discord.js discord.js Babylon.js Pixi.js"
    " Tone.js TensorFlow.js Auth.js NextAuth.js Lucia.js Passport.js Socket.IO Socket.io socket.io Solid.js Matter.js Phaser.js Mocha.js"
    " Fabric.js Konva.js Mapbox.js Leaflet.js Stripe.js Plotly.js Handlebars.js Underscore.js Ky.js Hono.js Electron.js Polars.rs docs.rs"
    " Crates.rs crates.rs Embla.js Sails.js Koa.js Bun.js Deno.js Inertia.js Reveal.js Highlight.js Prism.js Swagger.js Grapes.js".split()
)
_CALLS: Final = re.compile(
    r"(?:res|resp|response|request|req|data|body|r|c|ctx|app|self|this|Response|JSON|\w*[a-z]\w*\(\))\.\w+\Z"
)

SPEC_NAMES: Final = frozenset(
    ("spec.md", "plan.md", "research.md", "data-model.md", "quickstart.md", "tasks.md")
)

_LATIN: Final = "A-Za-z0-9_À-ɏ"
_TICKED: Final = r"(?<!`)(?P<fence>`++)(?P<ticked>[^`]{1,500})(?P=fence)(?!`)"
_LINK: Final = r"!?\[(?P<label>[^\[\]`]{0,200})\]\((?P<link>[^()\s]{1,300})\)"
_RUN: Final = (
    rf"(?P<run>(?:[{_LATIN}.@+\-~$/\\%#=&!*?<>|^:]++|\{{[^{{}}`]{{0,200}}\}}|\[[^\[\]`\s]{{0,60}}\]"
    r"|(?<=/)\([^()`\s]{1,60}\)(?=/))+)"
)
_CANDIDATES: Final = re.compile(f"{_TICKED}|{_LINK}|{_RUN}")
_SEGMENT: Final = re.compile(rf"(?:[\w.@+\- ]|\[[^\[\]]*\]|\([^()]*\)|\{{[^{{}}]*\}})+\Z")
_PATHLIKE: Final = re.compile(r"[^\s`\"'|<>*?$%^&=!\\:;]+\Z")
_LINE_NUMBER: Final = re.compile(r"(?:::?|#L?\d|:L?\d).*\Z", re.DOTALL)
_DOMAIN: Final = re.compile(
    r"(?:[\w-]+\.)+(?:com|org|net|io|dev|ai|app|co|edu|gov|cloud|sh|rs|me|us|uk|de|fr|jp|cn|kr|br)(?::\d+)?/",
    re.IGNORECASE,
)
_VERSION: Final = re.compile(r"[vV^~]?\d+(?:\.\d+)*(?:[.-]?(?:x|rc\d*|alpha|beta)[.\d]*)?\Z")
BRACES: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
MOST_BRACES: Final = 256

Shape = Literal["certain", "likely", "outside", ""]


class Found(NamedTuple):
    """What stands in a description and may be a path."""

    written: str
    certain: bool
    start: int
    end: int


def expand(text: str) -> list[str]:
    """`a/{b,c}.ts` as `a/b.ts` and `a/c.ts`; at most 256 of them."""
    done: list[str] = []
    todo = [text]
    while todo and len(done) + len(todo) <= MOST_BRACES:
        part = todo.pop(0)
        found = BRACES.search(part)
        if found is None:
            done.append(part)
        else:
            todo[:0] = [
                part[: found.start()] + choice.strip() + part[found.end() :] for choice in found[1].split(",")
            ]
    return done + todo


def ending(name: str) -> str:
    """The ending of a file name in lower case, `""` for none; `.env` has none."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem.strip(".") else ""


def shape(text: str) -> Shape:
    """Whether a word is a path: `certain` by its form, `likely` where such a thing exists."""
    if text.startswith(("~/", "../")) or text in ("~", ".."):
        return "outside" if len(text) > 3 else ""
    if text.startswith("/"):
        return "outside" if _absolute(text) else ""
    if not _PATHLIKE.match(text) or "//" in text or "@" in text[1:]:
        return ""
    if "{" in text or "}" in text:  # a placeholder: brace lists are expanded before
        return ""
    folder, slash, last = text.rpartition("/")
    segments = text.strip("/").split("/")
    if any(not _SEGMENT.match(part) or part in ("...", "..") for part in segments):
        return "outside" if ".." in segments else ""
    if not any(char.isalpha() for char in text):
        return ""
    if not slash:
        return "certain" if _bare_file(text) else ""
    if _DOMAIN.match(text) or text in ("w/", "w/o", "n/a", "N/A", "and/or", "I/O", "CI/CD"):
        return ""
    if text.startswith("@") and not text.startswith("@/"):
        return "likely"  # `@scope/package`
    if not last:
        return "certain"
    if last in _FILES or ending(last) in ENDINGS or ending(last) in _WITH_FOLDER:
        return "certain"
    return "likely"


def _bare_file(name: str) -> bool:
    if name in _FILES:
        return True
    last = ending(name)
    if last not in ENDINGS or last in _WITH_FOLDER or name in _PRODUCTS or _VERSION.match(name):
        return False
    return not _CALLS.match(name)


def _absolute(text: str) -> bool:
    """`/etc/hosts`, `/srv/x.conf`; not a route such as `/api/users`."""
    first = text[1:].partition("/")[0]
    last = text.rstrip("/").rpartition("/")[2]
    return first in _ROOTS or (ending(last) in ENDINGS and text.count("/") > 1)


_ROOTS: Final = frozenset(
    ("bin", "dev", "etc", "home", "mnt", "opt", "proc", "root", "srv", "sys", "tmp", "usr", "var", "Users")
)


def trim(word: str) -> str:
    """A word without the punctuation around it, cut to the path: `main.py:12`, `tests/a.py::test_b`."""
    word = word.rstrip(".,:;!?…")
    if word.startswith("[") and word.endswith("]") and word.count("[") == 1:
        word = word[1:-1]
    if "=" in word or "://" in word:
        return ""
    if word.endswith("/.."):
        return ""
    colon = word.find(":")
    if colon > 0:
        before, after = word[:colon], word[colon + 1 :].lstrip(":")
        word = before if shape(before) or not shape(after) else after
    hash_ = word.find("#")
    if hash_ > 0:
        word = word[:hash_]
    if word.startswith("./"):
        word = word[2:]
    return word.strip("*") if word.startswith("**") else word


def find(text: str) -> tuple[list[Found], list[str]]:
    """Paths of a description in order, and words that name something outside the repository."""
    found: list[Found] = []
    outside: list[str] = []
    if "." not in text and "/" not in text and "file" not in text:
        return found, outside
    for match in _CANDIDATES.finditer(text):
        run = match["run"]
        if run is not None:
            if "." not in run and "/" not in run and run not in _FILES:
                continue
            words = [run]
            if (
                text[match.end() : match.end() + 1] == "("
                and "/" not in run
                and "_" not in run
                and run[:1].islower()
            ):
                words = []  # `res.json(…)` is a call
        elif (ticked := match["ticked"]) is not None:
            words = _ticked(ticked)
        else:
            words = _linked(match["label"], match["link"])
        for word in words:
            core = trim(word)
            for part in expand(core) if "{" in core else (core,):
                kind = shape(part) if part else ""
                if kind == "outside":
                    outside.append(part)
                elif kind:
                    found.append(
                        Found(part.removeprefix("@/"), kind == "certain" and part[0] != "@", *match.span())
                    )
    return found, outside


def _ticked(content: str) -> list[str]:
    """The words of a code span that is no command: one path, or paths between commas."""
    content = content.strip()
    if not any(char.isspace() for char in content):
        return [content] if "." in content or "/" in content or content in _FILES else []
    parts = [part.strip() for part in re.split(r",(?![^{]*\})", content)]
    if all(
        not re.search(r"\s", re.sub(r"\{[^{}]*\}", "", part)) and (shape(part) or "{" in part)
        for part in parts
    ):
        return parts
    return []


def _linked(label: str, link: str) -> list[str]:
    """A Markdown link: its text where that is a path, else where it leads."""
    core = trim(label.strip())
    if core and " " not in core and shape(core):
        return [core]
    return [] if "://" in link or link.startswith(("#", "mailto:")) else [link]
