"""Text to learn from: tables and conversations, cleaned."""

import gzip

import pytest

from ohlora.errors import OhloraError
from ohlora.narrator.corpus import Conversations, TextTable
from ohlora.narrator.documents import clean, read_corpus


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "reviews.tsv.gz"
    rows = ["rating\ttext", '9\t"재밌다', "1\t별로  다", "5\t", "9\t별로 다"]
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    return TextTable("reviews", "CC0-1.0", 2, str(path), ["text"], "\t", quoted=False)


def test_documents_of_a_table_are_cleaned_and_different(table):
    train, held = read_corpus([table], seed=0, share=1.0, held_out=0.0)
    assert (sorted(train), held) == (['"재밌다', '"재밌다', "별로 다", "별로 다"], [])
    assert len(read_corpus([table], seed=0, share=0.5, held_out=0.0)[0]) == 2
    assert read_corpus([table], 3, 1.0, 0.0) == read_corpus([table], 3, 1.0, 0.0)


def test_what_is_held_out_is_not_trained_on(table):
    train, held = read_corpus([table], seed=0, share=1.0, held_out=0.5)
    assert len(held) == 1
    assert set(train).isdisjoint(held)


def test_what_is_cleaned():
    assert clean("한\u0001 글 \r\n\n  둘\t셋 ") == "한 글\n둘 셋"
    assert clean("\u1112\u1161\u11ab") == "한"


def test_what_is_missing_is_named(table, tmp_path):
    with pytest.raises(OhloraError, match=r"no file .*gone"):
        list(TextTable("x", "MIT", 1, str(tmp_path / "gone"), ["text"], ",", quoted=True).read())
    with pytest.raises(OhloraError, match="no column words; it has rating, text"):
        list(TextTable("x", "MIT", 1, table.path, ["words"], "\t", quoted=False).read())


def test_conversations_come_with_their_package():
    pytest.importorskip("chatterbot_corpus")
    found = list(Conversations("talk", "BSD-3-Clause", 1, "english").read())
    assert len(found) > 500
    assert any("\n" in document for document in found)
