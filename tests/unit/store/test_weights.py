from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from fimls.openvino import load_genai
from fimls.store import PreparedModel, Store, find_model
from tests.unit.store.test_gguf_tokenizer import TRICKY

pytestmark = pytest.mark.weights


@pytest.mark.parametrize("fixture", ["default_model", "smollm2_model"])
def test_tokenizer_equals_genais(fixture: str, request: pytest.FixtureRequest) -> None:
    """Both tokenizers of a folder, made from one GGUF file by two programs, give the same ids."""
    model: PreparedModel = request.getfixturevalue(fixture)
    ours = Tokenizer.from_file(str(model.tokenizer))
    theirs = load_genai().Tokenizer(str(model.directory))
    texts = [*TRICKY, Path(__file__).read_text("utf-8")]
    expected = [
        np.array(theirs.encode(text, add_special_tokens=False).input_ids.data).ravel().tolist()
        for text in texts
    ]
    assert expected == [ours.encode(text, add_special_tokens=False).ids for text in texts]
    assert texts == [ours.decode(ids, skip_special_tokens=False) for ids in expected]


def test_default_models_control_ids(default_model: PreparedModel) -> None:
    """The FIM tokens have the ids that the model was trained with."""
    tokenizer = Tokenizer.from_file(str(default_model.tokenizer))
    names = ("prefix", "middle", "suffix")
    assert [151659, 151660, 151661] == [tokenizer.token_to_id(f"<|fim_{name}|>") for name in names]


def test_default_model_is_prepared_once(store: Store, default_model: PreparedModel) -> None:
    """A prepared model is found again without converting."""
    assert default_model == store.prepared(find_model("0.5b"))
