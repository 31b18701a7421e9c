#!/bin/sh
# The records engine on an emulated arm64, which is what the functions run on by default: arm64.sh PYTHON [pytest's arguments]
# Takes Debian's qemu and its Python for arm64, and the arm64 wheels of the layer; nothing is installed but qemu.
set -eu
python=$1; shift
here=$(cd "$(dirname "$0")/.." && pwd)
place=$here/.arm64
root=$place/root
command -v apt-get >/dev/null || { echo 'arm64: skipped, this is no Debian'; exit 0; }
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo 'arm64: skipped, Debian has Python 3.11 only'; exit 0; }
mkdir -p "$root" "$place/debs" "$place/site"

if [ ! -x "$root/usr/bin/python3.11" ]; then
    echo 'arm64: fetching qemu and an arm64 Python'
    command -v qemu-aarch64-static >/dev/null || apt-get install -y -qq qemu-user-static >/dev/null
    dpkg --add-architecture arm64
    apt-get update -qq
    packages='python3.11 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 zlib1g libexpat1 libssl3 libffi8
        libbz2-1.0 liblzma5 libsqlite3-0 libuuid1 libcrypt1 libgcc-s1 libstdc++6'
    (cd "$place/debs" && apt-get download -qq $(for name in $packages; do echo "$name:arm64"; done))
    for package in "$place"/debs/*.deb; do dpkg -x "$package" "$root"; done
    grep -E '^(msgspec|isal|zlib-ng)==' "$here/layers/batchdrop/requirements.txt" >"$place/wheels.txt"
    "$python" -m pip list --format=freeze 2>/dev/null | grep -E '^hypothesis==' >>"$place/wheels.txt"
    "$python" -m pip install -q --no-deps --only-binary=:all: --implementation cp --python-version 3.11 --target "$place/site" \
        --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 \
        --requirement "$place/wheels.txt"
fi

rm -rf "$place/layer" && mkdir "$place/layer"
cp -r "$here/layers/batchdrop/batchdrop" "$place/layer/"
rm -f "$place"/layer/batchdrop/records/libkernel.so*
"$python" "$here/layers/batchdrop/targets/kernel.py" "$place/layer/batchdrop/records/libkernel.so" arm64
export PYTHONDONTWRITEBYTECODE=1
paths="['$place/layer', '$here', '$place/site', '$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')']"
cd "$here"
exec qemu-aarch64-static -L "$root" "$root/usr/bin/python3.11" -I -c "
import sys; sys.path[:0] = $paths
import pytest; sys.exit(pytest.main(sys.argv[1:]))" -p no:cacheprovider -q --timeout 3000 "${@:-tests/unit/records}"
