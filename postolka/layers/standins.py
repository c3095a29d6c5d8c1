"""Programs that stand in for slow ones while packages are installed.

A package's scripts call some programs once a package that are needed once, or not at all, in an
image that is never upgraded in place. dpkg-divert puts the real ones aside, and back at the end.
Pure: shell text only.
"""

from __future__ import annotations

#: Where calls that are only noted go, below the root; one call a line.
NOTES = "/run/postolka"

_MODULES = "/usr/lib/python3/dist-packages"
_PY_COMPILE = "/usr/lib/python3.13/py_compile.py"

_NOTHING = "#!/bin/sh\nexit 0\n"

# Notes its arguments; FINISH runs what was noted, on all processors.
_NOTE = f"""#!/bin/sh
mkdir -p {NOTES}
echo "$@" >>{NOTES}/${{0##*/}}
"""

# Answers as on a system where nothing was installed before, and notes the rest. A call takes 30 ms
# of perl, and there are four of them a unit; the real program takes many units at once.
_UNITS = f"""#!/bin/sh
mkdir -p {NOTES}
for unit; do :; done
case " $* " in
    *" was-enabled "*) exit 0 ;;
    *" debian-installed "*) exec grep -qsxF "enable $unit" {NOTES}/deb-systemd-helper ;;
esac
printf '%s\\n' "$*" >>{NOTES}/deb-systemd-helper
"""

# Notes the files that it is to compile. Python's own packages call it for their 600 modules, one
# package after the other, while all else waits.
_COMPILE = f"""\
import os, sys

os.makedirs("{NOTES}", exist_ok=True)
with open("{NOTES}/py_compile", "a") as notes:
    print(*sys.argv[1:], sep="\\n", file=notes)
"""

# ucf puts a configuration file in place, and keeps what the next upgrade needs to merge it with the
# machine's own changes. The image has no such upgrade; without that part 150 calls take no time.
_UCF = """#!/bin/sh
source= target=
while [ $# -gt 0 ]; do
    case $1 in
        -p | --purge) exit 0 ;;
        -s | --src-dir | --sum-file | --dest-dir | --package | --debconf-template | --state-dir)
            shift ;;
        -*) ;;
        *) source=$target target=$1 ;;
    esac
    shift
done
[ -e "$target" ] || cp -p "$source" "$target"
"""

#: Path of the program -> what stands there meanwhile.
PROGRAMS = {
    # selinux-policy-default compiles all modules, which it chooses by the build host's chassis.
    # The policy is a layer of its own.
    "/usr/sbin/semodule": _NOTHING,
    "/usr/bin/ucf": _UCF,
    "/usr/bin/ucfr": _NOTHING,
    "/usr/bin/deb-systemd-helper": _UNITS,
    # What it makes is removed: host keys, which each machine makes for itself.
    "/usr/bin/ssh-keygen": _NOTHING,
    # What it makes is removed: a copy of the packaged rules, and a keyring.
    "/usr/bin/sa-update": _NOTHING,
    # Compiles one package's Python modules a call.
    "/usr/bin/py3compile": _NOTE,
    _PY_COMPILE: _COMPILE,
    # Enables one module of PHP a call, by a hundred processes; without an answer to what there is,
    # scripts don't call it once more for each kind of PHP.
    "/usr/sbin/phpenmod": _NOTE,
    "/usr/sbin/phpquery": _NOTHING,
    # Enables one module, configuration or site of Apache a call: a2enconf and a2ensite are links.
    "/usr/sbin/a2enmod": _NOTE,
    # Compiles the hardware database, on one processor.
    "/usr/bin/systemd-hwdb": _NOTE,
    # Joins all CA certificates into one file, at install and again by a trigger.
    "/usr/sbin/update-ca-certificates": _NOTE,
}

#: Puts the stand-ins in place; $1 is the root, /build/files/NAME each program.
PLACE = "".join(
    f"""
mkdir -p "$1{path.rpartition("/")[0]}"
chroot "$1" dpkg-divert --quiet --local --rename --divert {path}.real --add {path}
install -m 0755 /build/files/{path.rpartition("/")[2]} "$1{path}"
"""
    for path in PROGRAMS
)

#: Puts the real programs back and runs what was noted.
FINISH = (
    "".join(
        f"""
rm "$1{path}"
chroot "$1" dpkg-divert --quiet --local --rename --remove {path}
"""
        for path in PROGRAMS
    )
    + f"""
noted="$1{NOTES}"
mkdir -p "$noted"
touch "$noted/deb-systemd-helper"
for action in enable update-state disable "--user enable" "--user update-state"; do
    units=$(sed -n "s/^$action //p" "$noted/deb-systemd-helper")
    # It wants to be called by a package; words are split on purpose.
    [ -z "$units" ] || DPKG_MAINTSCRIPT_PACKAGE=any chroot "$1" deb-systemd-helper $action $units
done
# Calls that differ in their last word are one call of a program that takes many.
joined() {{
    [ ! -e "$noted/$1" ] || sort -u "$noted/$1" | awk -v program="$1" '
        {{ name = $NF; $NF = ""; names[$0] = names[$0] " " name }}
        END {{ for (options in names) print program, options names[options] }}'
}}
# The long ones first, so that no processor ends with one alone.
{{
    if [ -e "$noted/update-ca-certificates" ]; then echo update-ca-certificates; fi
    if [ -e "$noted/systemd-hwdb" ]; then echo systemd-hwdb --usr update; fi
    for program in phpenmod a2enmod a2enconf a2ensite; do
        joined $program
    done
    if [ -e "$noted/py_compile" ]; then
        xargs -n 60 echo python3 -BES {_PY_COMPILE} <"$noted/py_compile"
    fi
    if [ -e "$noted/py3compile" ]; then
        # A package's own directories; its modules lie with all others', and finding out which are
        # its would take longer than compiling them.
        sort -u "$noted/py3compile" | sed -n 's/^-p [^ ]* ./py3compile &/p'
        chroot "$1" sh -c 'printf "%s\\n" {_MODULES}/*' | xargs -n 20 echo py3compile
    fi
}} >"$noted/calls"
# -B and its variable: what only imports a module doesn't compile it as well, in its own way.
PYTHONDONTWRITEBYTECODE=1 chroot "$1" xargs --arg-file {NOTES}/calls --delimiter '\\n' \
    --max-procs "$(nproc)" --max-args 1 sh -ec 'exec $0'
rm -r "$noted"
"""
)
