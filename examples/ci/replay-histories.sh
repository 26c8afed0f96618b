#!/usr/bin/env bash
# Proves workflow code against production's recorded histories. Run it in a checkout of Sluice.
#
#   replay-histories.sh export FOLDER   asks production for redacted histories; needs SLUICE_API_URL and SLUICE_TOKEN
#   replay-histories.sh check FOLDER    builds this checkout and replays them; needs neither network nor token nor key
#
# SLUICE_HISTORY_QUERY  which promotions; default "since=30d limit=500"
# SLUICE_REPLAY_REPORT  JUnit file that `check` writes; default replay.xml
# SLUICE_HISTORIES_MIN  fewer histories than this prove nothing, and `check` fails; default 1
set -euo pipefail

usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

[[ $# -eq 2 && -n ${2:-} ]] || usage
action=$1
folder=$2
sluice=(node apps/cli/bin/sluice.mjs)
[[ -f ${sluice[1]} ]] || {
  echo "There is no ${sluice[1]} here; run this in a checkout of Sluice." >&2
  exit 2
}

case $action in
  export)
    : "${SLUICE_API_URL:?names production\'s API}" "${SLUICE_TOKEN:?is a token that may read histories}"
    read -ra query <<<"${SLUICE_HISTORY_QUERY:-since=30d limit=500}"
    npm run --silent build
    # With the kept code: who broke a history is found by halving the builds between.
    "${sluice[@]}" history export "${query[@]}" --bundles --to "$folder" \
      --reason 'Exported for the replay of pull requests.'
    ;;
  check)
    least=${SLUICE_HISTORIES_MIN:-1}
    count=$(find "$folder" -maxdepth 1 -type f \( -name '*.json' -o -name '*.history' \) | wc -l)
    if ((count < least)); then
      echo "$folder has $count histories, and $least are needed; export them again." >&2
      exit 1
    fi
    npm run --silent build
    # Kept code runs only where it is named: this folder is production's own export. Use none that you do not trust so.
    kept=()
    [[ ! -f $folder/bundles/bundles.json ]] || kept=(--bundles "$folder/bundles")
    "${sluice[@]}" replay "$folder" ${kept[@]+"${kept[@]}"} --junit "${SLUICE_REPLAY_REPORT:-replay.xml}"
    ;;
  *) usage ;;
esac
