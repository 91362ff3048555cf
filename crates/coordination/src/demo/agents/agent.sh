#!/bin/sh
# Stands in for a coding agent. It is started in a worktree of its own, finds its task in the environment, edits files,
# runs the tests and commits. task-N.sh says what the agent of task N does.
set -eu

home=$(dirname "$0")
task=$BIPLANE_TASK_ID
attempt=$BIPLANE_ATTEMPT

# Nobody's own settings of git play a part here.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME="demo agent" GIT_AUTHOR_EMAIL=agent@demo.invalid
export GIT_COMMITTER_NAME="demo agent" GIT_COMMITTER_EMAIL=agent@demo.invalid

# A pause, so that an eye can follow.
pause() {
    sleep "$1" 2>/dev/null || sleep 1
}

say() {
    echo "$*"
    pause 0.3
}

# Waits until a command says yes, for half a minute at most. This is what makes every run tell the same story: real
# agents meet each other by chance.
wait_until() {
    left=150
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 0
        pause 0.2
    done
}

has_begun() {
    [ -e "$home/begun-$1" ]
}

has_landed() {
    git log --format=%B main | grep -q "^Task: $1\$"
}

# Replaces in a file, with a sed command.
edit() {
    sed "$2" "$1" >"$1.new"
    mv "$1.new" "$1"
}

: >"$home/begun-$task"
if [ "$attempt" -gt 1 ]; then
    say "reads why attempt $((attempt - 1)) was sent back: $(grep -m 1 -E '^error|conflict with' "$BIPLANE_PROMPT_FILE" || true)"
fi
. "$home/task-$task.sh"

say "runs the tests"
sh test.sh
git add --all
git commit --quiet --message "$message"
say "commits: $message"
# Not done before the other side has landed.
if [ -n "${after:-}" ] && ! has_landed "$after"; then
    say "waits for task $after to land first, so that the two meet"
    wait_until has_landed "$after"
fi
