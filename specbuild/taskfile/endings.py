"""Names that files have, and names that only look like it."""

from typing import Final

ENDINGS: Final = frozenset(
    """
    adoc arb astro avif avsc bak bash bat bats bib bicep blade bmp bzl c cc cfg cjs clj cljc cljs
    cmake cmd coffee conf config cpp cs csh cshtml csproj css csv csx cts cu cxx cypher dart db dbml
    dockerfile dockerignore docx dot drawio editorconfig edn ejs elm entitlements env eot epub erb
    erl eslintrc ex example exs feature fish flow frag fs fsproj fsx gd gemspec geojson gif
    gitattributes gitignore gitkeep gleam glsl go gql gradle graphql graphqls groovy gz h haml
    handlebars hbs hcl heex hh hpp hrl hs htm html hurl hxx ico ics idl iml ini inl ipynb j2 jar
    java jinja jinja2 jl jpeg jpg js json json5 jsonc jsonl jsonld jsp jsx kql kt kts leex less lhs
    liquid lisp lock lottie lua m4 markdown md mdc mdx mermaid mjs mk mkd ml mli mm mmd mod mojo mp3
    mp4 msg mts mustache ndjson nim nimble nix njk npmrc nvmrc ods odt ogg onnx org otf out parquet
    patch pbxproj pcss pdf pem php phtml pid pkl pl plist pm png po pot pp pptx prettierrc prisma
    properties props proto ps1 psd1 psm1 pug puml purs py pyi pyx qmd qml r rake razor rb rbi rdf
    rego res resx rkt rmd rs rsc rst rtf ru sass scala scm scss sh slim sln slnx snap sol spec sql
    sqlite sqlx ssml storyboard strings sty styl sum surql sv svelte svg svh swift tape tar targets
    tcl template tex text tf tfstate tfvars tgz thrift tmpl toml tpl ts tscn tsv tsx ttf twig txt
    typ v vb vbproj vert vhd vhdl vim vtt vue wasm wat wav webm webmanifest webp wgsl woff woff2
    wsdl xaml xcconfig xcodeproj xcscheme xcworkspace xhtml xib xlf xliff xlsx xml xsd xsl xslt yaml
    yml zig zip zsh
    """.split()  # noqa: SIM905  (a list would take a page)
)

WITH_FOLDER: Final = frozenset(
    """
    bak config dot env example flow frag key log m map msg out pem pid pm props r res rsc ru spec
    targets template v
    """.split()  # noqa: SIM905  (a list would take a page)
)
"""Endings that after a bare word are more often a property (`console.log`, `process.env`)."""

FILES: Final = frozenset(
    """
    .babelrc .dockerignore .editorconfig .env .env.development .env.example .env.local
    .env.production .env.sample .env.template .env.test .eslintignore .eslintrc .gitattributes
    .gitignore .node-version .npmrc .nvmrc .prettierignore .prettierrc .python-version .ruby-version
    .stylelintrc .swcrc .tool-versions Brewfile CODEOWNERS Caddyfile Containerfile Dockerfile
    Fastfile Gemfile Jenkinsfile Justfile Makefile Pipfile Podfile Procfile Rakefile Tiltfile
    Vagrantfile
    """.split()  # noqa: SIM905  (a list would take a page)
)
"""File names without a known ending."""

PRODUCTS: Final = frozenset(
    """
    Alpine.js Auth.js Babylon.js Backbone.js Bun.js Chart.js Commander.js Crates.rs D3.js Day.js Deno.js
    Discord.js Electron.js Ember.js Embla.js Express.js Fabric.js Grapes.js Handlebars.js
    Highlight.js Hono.js Inertia.js Koa.js Konva.js Ky.js Leaflet.js Lucia.js Mapbox.js Matter.js
    Mocha.js Moment.js Nest.js NestJS.js Next.js NextAuth.js Node.js Nuxt.js Passport.js Phaser.js
    Pixi.js Plotly.js Polars.rs Prism.js React.js Reveal.js Sails.js Socket.IO Socket.io Solid.js
    Stripe.js Swagger.js TensorFlow.js Three.js Tone.js Underscore.js Vue.js chart.js crates.rs
    d3.js day.js discord.js docs.rs express.js next.js node.js nuxt.js react.js socket.io three.js
    vue.js
    """.split()  # noqa: SIM905  (a list would take a page)
)
"""Names of libraries and sites."""

SPEC_NAMES: Final = frozenset(
    """
    data-model.md plan.md quickstart.md research.md spec.md tasks.md
    """.split()  # noqa: SIM905  (a list would take a page)
)
"""Documents of the specification, beside the task file."""

ROOTS: Final = frozenset(
    """
    Users bin dev etc home mnt opt proc root srv sys tmp usr var
    """.split()  # noqa: SIM905  (a list would take a page)
)
"""Top folders of a Unix machine."""
