"""What --shape of `paretune profile` means, and what it refuses."""

from __future__ import annotations

import re

import pytest

from paretune.inputs import Input, Shape, Signature, Tokens
from paretune.search.errors import UserError
from paretune.search.profiling.shape_option import MOST_NUMBERS, read_shape


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("3,32,32", (3, 32, 32)),
        ("3x32x32", (3, 32, 32)),
        ("128,8000", Tokens(128, 8000)),
        ("13", (13,)),
        ("2x128", (2, 128)),
        ("float32:2,128", (2, 128)),
        ("1,2,3,4", (1, 2, 3, 4)),
        ("uint8:3,32,32", Signature((Input("input", (3, 32, 32), "uint8"),))),
        ("int64:16:1000", Signature((Input("input", (16,), "int64", 1000),))),
        (
            "3x32x32 13",
            Signature((Input("input_0", (3, 32, 32)), Input("input_1", (13,))), "tuple"),
        ),
        (
            "ids=int64:16:99 mask=bool:16",
            Signature((Input("ids", (16,), "int64", 99), Input("mask", (16,), "bool")), "dict"),
        ),
        ("image=3,8,8", Signature((Input("image", (3, 8, 8)),), "dict")),
    ],
)
def test_shape_is_an_image_a_text_or_tensors_of_any_shape(text: str, shape: Shape) -> None:
    assert read_shape(text) == shape


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "give the sizes of one input"),
        ("big", "C,H,W of images (3,32,32), LENGTH,VOCABULARY of texts (128,8000), 13 for 13"),
        ("3,0,32", "2x128 for float32 of any other shape"),
        ("3;32", 'not "3;32"'),
        ("-3,32,32", 'not "-3,32,32"'),
        ("float64:3", 'not "float64:3"'),
        ("image=3x8x8 13", 'name each input, or none, not "image=3x8x8 13"'),
        ("a=3 a=4", "the names of inputs must differ"),
        ("float32:3:10", "only integers end with a number above them"),
        ("int64:3:0", "only integers end with a number above them"),
        (f"{MOST_NUMBERS + 1}", "at most 100,000,000 numbers"),
        (f"2,{MOST_NUMBERS + 1}", "a vocabulary as many words"),
        (f"int64:2:{MOST_NUMBERS + 1}", "a vocabulary as many words"),
        (f"13 {MOST_NUMBERS}x2", "at most 100,000,000 numbers"),
    ],
)
def test_text_that_is_no_shape_is_refused_with_what_to_type(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=re.escape(reason)):
        read_shape(text)
