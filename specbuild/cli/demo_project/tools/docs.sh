# Writes the list of the routes that a file of routes defines.
set -eu
echo '# API'
echo
sed -n "s/^ *'\([A-Z]* \/[a-z-]*\)': .*\/\/ \(.*\)/- \`\1\`: \2/p" "$1"
