"""Finds and reads the studies of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from paretune.search.database.reader import study_reader
from paretune.search.errors import UserError
from paretune.search.front.final_front import with_final_front
from paretune.search.locate import locate
from paretune.search.study.records import StudyRecord


def read_studies(arguments: Sequence[str]) -> tuple[list[str], list[StudyRecord]]:
    """Returns names and records of studies.

    A study is called by its name; studies of equal names are called as the user typed them.

    Args:
        arguments: Study files or folders.

    Raises:
        UserError: There are fewer than two, a study is not there, or two are the same.
    """
    if len(arguments) < 2:
        raise UserError(
            f"compare: give two studies or more, not {len(arguments)}: "
            "paretune compare first.yaml second.yaml"
        )
    urls: dict[str, str] = {}
    records = []
    for argument in arguments:
        url = locate(argument).url
        if url in urls:
            raise UserError(f"compare: {argument} and {urls[url]} are the same study")
        urls[url] = argument
        with study_reader(url) as reader:
            records.append(with_final_front(reader.record()))
    counts = Counter(record.name for record in records)
    names = [
        record.name if counts[record.name] == 1 else argument
        for record, argument in zip(records, arguments, strict=True)
    ]
    return names, records
