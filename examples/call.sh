#!/bin/sh
# An example client with curl: discovery, and a hook call, each with a token of its own.
# Usage: examples/call.sh BASE_URL ISSUER CALL_FILE [KEY_FOLDER]
# `plexus-cds example article > call.json` writes a call. The key is in KEY_FOLDER, made on first use.
set -eu
base=$1 issuer=$2 call=$3 folder=${4:-.}
here=$(dirname "$0")
python=${PYTHON:-"$here/../.venv/bin/python"}
service=$base/cds-services/lumbosacral-plexus-mri-order-select

signed() { "$python" "$here/../tools/sign_token.py" "$issuer" "$1" --folder "$folder"; }

curl --silent --show-error --fail-with-body --max-time 5 --header "$(signed "$base/cds-services")" "$base/cds-services"
echo
curl --silent --show-error --fail-with-body --max-time 5 --header "$(signed "$service")" \
  --header 'Content-Type: application/json' --data-binary "@$call" "$service"
echo
