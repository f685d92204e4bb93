#!/usr/bin/env bash
# The backend `tensorflow` (@tensorflow/tfjs-node) for a machine or a Node that its own install script does not serve:
# its native module is compiled against the TensorFlow of a Python wheel. Needs python3, g++ and the headers of Node.
#
# Usage: npm run build:tensorflow [-- --gpu]    with --gpu: @tensorflow/tfjs-node-gpu on the wheel that has CUDA
#
# The wheel goes to .cache/tensorflow, the package to node_modules, where `npm ci` removes it again.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@tensorflow/tfjs-node
wheel=tensorflow-cpu
if [ "${1:-}" = --gpu ]; then
  package=@tensorflow/tfjs-node-gpu
  wheel=tensorflow
fi
package_version=4.22.0
wheel_version=2.21.0

venv=$PWD/.cache/tensorflow/$wheel-$wheel_version
if [ ! -f "$venv/complete" ]; then
  echo "== $wheel $wheel_version into .cache/tensorflow"
  rm -rf "$venv"
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$wheel==$wheel_version"
  touch "$venv/complete"
fi
tensorflow=$(echo "$venv"/lib/python3*/site-packages/tensorflow)

echo "== $package $package_version into node_modules"
# An optional peer is only installed when it is asked for as something else.
npm install --no-save --save-dev --ignore-scripts --no-audit --no-fund --loglevel=error "$package@$package_version"

headers=${NODE_HEADERS:-$(node -p 'require("path").resolve(process.execPath, "../../include/node")')}
if [ ! -f "$headers/node_api.h" ]; then
  echo "Node's headers (node_api.h) are not at $headers; say where they are: NODE_HEADERS=FOLDER" >&2
  exit 1
fi
folder=node_modules/$package
mkdir -p "$folder/lib/napi-v8"
echo "== $folder/lib/napi-v8/tfjs_binding.node"
g++ -std=c++17 -O2 -fPIC -shared -DNAPI_VERSION=8 -DBUILDING_NODE_EXTENSION \
  -I"$headers" -I"$tensorflow/include" -I"$folder/binding" \
  "$folder"/binding/tfjs_backend.cc "$folder"/binding/tfjs_binding.cc \
  -L"$tensorflow" -l:libtensorflow_cc.so.2 -l:libtensorflow_framework.so.2 -Wl,-rpath,"$tensorflow" \
  -o "$folder/lib/napi-v8/tfjs_binding.node"
