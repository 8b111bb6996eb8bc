# Writes the routes; the endpoint's name is the word before "endpoint" in the task's title.
set -eu
name=$(printf '%s\n' "$1" | sed -n 's/.* \([a-z-]*\) endpoint.*/\1/p')
echo "→ POST /${name:?the title names no endpoint}" >&2
printf '// %s\n' "$1"
sed "s/@NAME@/$name/g" templates/routes.js
