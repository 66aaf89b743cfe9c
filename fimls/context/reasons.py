"""What the names of files and folders say about them."""

from __future__ import annotations

import re
from fnmatch import translate

from fimls.syntax import get_language, language_of


def _any_of(patterns: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns.split()), flags)


_SECRET_FOLDERS = _any_of(".aws .azure .gnupg .kube .ssh")
_MADE_FOLDERS = _any_of(
    """
    .bzr .cache .direnv .eggs .git .gradle .hg .mypy_cache .next .nox .nuxt .parcel-cache
    .pytest_cache .ruff_cache .svelte-kit .svn .terraform .tox .venv __pycache__ __pypackages__
    _build bazel-bin bazel-out bower_components build cmake-build-* dist jspm_packages node_modules
    site-packages target third-party third_party thirdparty vendor vendored venv
    """,
    0,  # a package may well be called Target
)
_SECRET_NAMES = _any_of(
    """
    .env* *.env .netrc _netrc .npmrc .pypirc .git-credentials .htpasswd .pgpass .my.cnf .dockercfg
    .vault_pass* .s3cfg .boto kubeconfig id_rsa* id_dsa* id_ecdsa* id_ed25519* *.pem *.key *.p8
    *.p12 *.pfx *.ppk *.jks *.jceks *.keystore *.keychain *.kdb *.kdbx *.gpg *.pgp *.asc *.ovpn
    *.tfvars *.tfstate *.tfstate.* *.agekey *.secret *.secrets service-account*.json
    service_account*.json client_secret*.json
    """
)
# A program may well be called so: secrets.py of Python itself, credentials.go. Its lines are looked
# through by fimls.context.secrets; data under such a name is taken at its word.
_SECRET_DATA_NAMES = _any_of("credentials credentials.* *credentials.json secrets secrets.*")
_GENERATED_NAMES = _any_of(
    """
    *_pb2.py *_pb2.pyi *_pb2_grpc.py *.pb.go *.pb.cc *.pb.h *.pb.rs *.g.dart *.freezed.dart
    *.generated.* *_generated.* *.gen.go zz_generated.* *.designer.cs *.d.ts.map
    """
)
_MINIFIED_NAMES = _any_of("*.min.js *.min.css *.min.mjs *-min.js *.bundle.js *.chunk.js")
_DATA_NAMES = _any_of(
    """
    *.lock *.map *.csv *.tsv *.jsonl *.ndjson *.ipynb *.svg *.snap *.log *.lst *.dump go.sum
    package-lock.json npm-shrinkwrap.json pnpm-lock.yaml packages.lock.json Package.resolved
    Cartfile.resolved
    """
)
_BINARY_NAMES = _any_of(
    """
    *.7z *.a *.bin *.bmp *.bz2 *.class *.db *.dll *.dylib *.exe *.gguf *.gif *.gz *.h5 *.ico *.jar
    *.jpeg *.jpg *.mo *.mp3 *.mp4 *.npy *.npz *.o *.onnx *.parquet *.pdf *.pkl *.png *.pt *.pyc
    *.pyd *.safetensors *.so *.so.* *.sqlite *.sqlite3 *.tar *.tgz *.tiff *.ttf *.wasm *.webp *.whl
    *.woff *.woff2 *.xz *.zip *.zst
    """
)
_NAME_REASONS = (
    (_GENERATED_NAMES, "generated"),
    (_MINIFIED_NAMES, "minified"),
    (_DATA_NAMES, "lock or data file"),
    (_BINARY_NAMES, "binary"),
)


def is_secret_folder(name: str) -> bool:
    """Whether a folder holds keys and passwords."""
    return _SECRET_FOLDERS.match(name) is not None


def is_made_folder(name: str) -> bool:
    """Whether a folder's files were built, or copied from elsewhere, rather than written there."""
    return _MADE_FOLDERS.match(name) is not None


def is_secret(name: str) -> bool:
    """Whether a file holds a key or a password."""
    if _SECRET_NAMES.match(name):
        return True
    if not _SECRET_DATA_NAMES.match(name):
        return False
    language = get_language(language_of(name))
    return language is None or not language.grammar


def name_reason(name: str) -> str | None:
    """Return why a file is not worth reading, None where its name doesn't say."""
    return next((reason for names, reason in _NAME_REASONS if names.match(name)), None)
