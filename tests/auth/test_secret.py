"""Secrets in files: read where nobody else may, refused in words elsewhere."""

from pathlib import Path

import pytest

from catalog_builder.auth.secret import secret_in
from catalog_builder.errors import CatalogError


def written(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_is_what_stands_in_the_file_without_white_space_around_it(tmp_path: Path) -> None:
    assert secret_in(written(tmp_path, b"  16 plain letters\n")) == "16 plain letters"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(CatalogError, match=r"others may read the secret; chmod 600"):
        secret_in(written(tmp_path, b"16 plain letters", mode))


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\x00" * 40, b"two lines\nof a secret file"])
def test_what_is_hardly_a_secret_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CatalogError, match="too short or not plain text") as caught:
        secret_in(written(tmp_path, content))
    assert "two lines" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"nothing: the secret cannot be read \(No such file or directory\)"):
        secret_in(tmp_path / "nothing")
