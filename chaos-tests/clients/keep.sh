# Keeps the message on its standard input in a file of its own: keep.sh DIRECTORY
# Once there are as many as the file `hold` says, it waits until that file is gone.
set -eu
dir=$1
new=$(mktemp "$dir/new.XXXXXX")
cat >"$new"
mv "$new" "$dir/mail/$(basename "$new")"
while [ -e "$dir/hold" ]; do
    count=$(find "$dir/mail" -type f | wc -l)
    [ "$count" -ge "$(cat "$dir/hold" 2>/dev/null || echo 0)" ] || break
    sleep 0.05
done
