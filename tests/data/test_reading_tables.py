"""What a folder holds: metadata, plain files, stems; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audioml.data.table import read_table, with_pattern
from audioml.errors import RequestError
from tests.data.sound_folders import CLASSIFY, RECOGNISE, SEPARATE, corpus, metadata, noise, write


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_metadata_in_the_sub_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        metadata(tmp_path / split, [{"file_name": "x.wav", "label": "a"}])
    table = read_table(tmp_path, parallel=False)
    assert [row["file_name"] for row in table.rows] == ["test/x.wav", "train/x.wav"]


def test_json_lines_and_a_byte_order_mark(tmp_path: Path) -> None:
    rows = [{"file_name": "ä ö.wav", "label": 3, "note": None}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read_table(tmp_path, parallel=False).rows == ({"file_name": "ä ö.wav", "label": "3", "note": ""},)
    (tmp_path / "metadata.csv").write_text('\ufefffile_name,text\n"x.wav","a,\nb"\n', encoding="utf-8")
    assert read_table(tmp_path, parallel=False).rows == ({"file_name": "x.wav", "text": "a,\nb"},)


def test_plain_files_by_class(tmp_path: Path) -> None:
    touch(tmp_path, "train/dog/1.wav", "test/cat/2.FLAC", "test/cat/.hidden.wav", "_junk/3.wav", "train/dog/readme.txt")
    assert read_table(tmp_path, parallel=False).rows == (
        {"file_name": "test/cat/2.FLAC", "label": "cat"},
        {"file_name": "train/dog/1.wav", "label": "dog"},
    )


def test_one_folder_per_stem(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{stem}/{split}/{n}.wav" for stem in ("mix", "bass", "drums") for split in ("train", "test") for n in "ab"))
    rows = read_table(tmp_path, parallel=True).rows
    assert len(rows) == 4
    assert rows[0] == {
        "bass_file_name": "bass/test/a.wav", "drums_file_name": "drums/test/a.wav", "mix_file_name": "mix/test/a.wav",
        "song": "a",
    }  # fmt: skip


def test_one_folder_per_song(tmp_path: Path) -> None:
    touch(
        tmp_path, *(f"{split}/A Song {split}/{stem}.wav" for split in ("train", "test") for stem in ("mixture", "bass", "vocals"))
    )
    rows = read_table(tmp_path, parallel=True).rows
    assert [row["song"] for row in rows] == ["A Song test", "A Song train"]
    assert rows[1]["mixture_file_name"] == "train/A Song train/mixture.wav"


def test_librispeech_texts(tmp_path: Path) -> None:
    for part in ("train-clean-100", "dev-clean", "test-clean"):
        for speaker in ("12", "13"):
            folder = tmp_path / part / speaker / "7"
            names = [f"{speaker}-7-{i:04d}" for i in range(2)]
            for name in names:
                write(folder / f"{name}.flac", noise(1, 0.05))
            (folder / f"{speaker}-7.trans.txt").write_text("".join(f"{name} HELLO {name[-1]}\n" for name in names))
    prepared = corpus("librispeech", path=str(tmp_path), cache=str(tmp_path / "c"), text="words").prepare(RECOGNISE)
    assert prepared.clip("valid", 0).ports["text"] == "hello 0"
    assert prepared.report["splits"] == "splits by folder name"
    assert [prepared.size(s) for s in ("train", "valid", "test")] == [4, 4, 4]


def test_names_as_columns(tmp_path: Path) -> None:
    touch(tmp_path, "7_jackson_32.wav", "0_theo_1.wav")
    table = with_pattern(read_table(tmp_path, parallel=False), r"^(?P<label>\d)_(?P<speaker>[^_]+)_")
    assert table.rows[1] == {"file_name": "7_jackson_32.wav", "label": "7", "speaker": "jackson"}
    for pattern, words in (
        ("(", r"data\.name_pattern=\( is not a regular expression"),
        ("a", "data.name_pattern=a needs named groups such as"),
        ("(?P<x>zz)", r"data\.name_pattern=.* matches no file name of .*, e\.g\. '0_theo_1\.wav'"),
    ):
        with pytest.raises(RequestError, match=words):
            with_pattern(table, pattern)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/../../b.wav", "..\\..\\x.wav", "C:\\x.wav"])
def test_a_file_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    metadata(tmp_path / "in", [{"file_name": name, "label": "a"}])
    with pytest.raises(RequestError, match="lies outside its folder; only files inside it are read"):
        corpus("folder", path=str(tmp_path / "in")).provides(CLASSIFY)


def test_a_stem_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    metadata(tmp_path, [{"file_name": "a.wav", "bass_file_name": "/b.wav", "drums_file_name": "c.wav"}])
    with pytest.raises(RequestError, match=r"names the file '/b\.wav', which lies outside its folder"):
        corpus("folder", path=str(tmp_path)).provides(SEPARATE)


def test_what_is_no_folder_of_recordings(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    metadata(tmp_path / "other", [{"name": "a"}])
    (tmp_path / "latin").mkdir()
    (tmp_path / "latin/metadata.csv").write_bytes(b"file_name\n\xe4.wav\n")
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines/metadata.jsonl").write_text("[1]\n")
    for name, words in (
        ("gone", "does not exist; give a folder with audio files or with a metadata.csv"),
        ("file", "is a file, not a folder"),
        ("empty", "holds no audio: no metadata.csv and no file of .wav, .flac"),
        ("other", "metadata.csv has no column 'file_name'; its columns are name"),
        ("latin", "metadata.csv cannot be read as csv in UTF-8"),
        ("lines", "metadata.jsonl cannot be read as jsonl in UTF-8"),
    ):
        with pytest.raises(RequestError, match=words):
            read_table(tmp_path / name, parallel=False)
    with pytest.raises(RequestError, match=r"data=folder needs data\.path=DIR"):
        corpus("folder").provides(CLASSIFY)
