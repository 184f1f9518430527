from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from pneumoscope.training.films import EpochOrder, FilmBatches

LABELS = np.array([0, 0, 1, 1, 1, 1, 1], dtype=np.int64)


def positions(order: EpochOrder) -> list[int]:
    return [position for batch in order for position in batch]


def test_an_epoch_shows_each_film_once() -> None:
    order = EpochOrder(LABELS, batch_size=3, seed=1)
    assert sorted(positions(order)) == list(range(7))
    assert len(order) == len(list(order)) == 3


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 5))
def test_oversampling_balances_and_loses_no_film(normal: int, pneumonia: int, seed: int) -> None:
    labels = np.array([0] * normal + [1] * pneumonia, dtype=np.int64)
    order = EpochOrder(labels, batch_size=4, seed=seed, oversample=True)
    drawn = positions(order)
    counts = Counter(labels[drawn].tolist())
    assert counts[0] == counts[1] == max(normal, pneumonia)
    assert set(drawn) == set(range(len(labels)))
    assert len(order) == len(list(order))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=40), st.integers(0, 5))
def test_each_group_is_balanced_by_itself(films: list[tuple[int, int]], seed: int) -> None:
    groups, labels = np.array(films, dtype=np.int64).T
    order = EpochOrder(labels, batch_size=4, seed=seed, oversample=True, groups=groups)
    drawn = positions(order)
    assert set(drawn) == set(range(len(films)))
    assert len(order) == len(list(order))
    for group in np.unique(groups):
        before, after = (Counter(labels[rows][groups[rows] == group].tolist()) for rows in (range(len(films)), drawn))
        assert after == before if len(before) == 1 else after[0] == after[1] == max(before.values())


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first, second = (EpochOrder(LABELS, batch_size=2, seed=5, views=3) for _ in range(2))
    first.set_epoch(4)
    list(second)
    second.set_epoch(4)
    assert list(first) == list(second)
    second.set_epoch(5)
    assert list(first) != list(second)


@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 5))
def test_processes_divide_each_batch(films: int, batch_size: int, processes: int) -> None:
    labels = np.zeros(films, dtype=np.int64)
    whole = list(EpochOrder(labels, batch_size=batch_size, seed=3))
    orders = [EpochOrder(labels, batch_size=batch_size, seed=3, rank=r, processes=processes) for r in range(processes)]
    for number, (batch, *shares) in enumerate(zip(whole, *orders, strict=True)):
        assert sorted(chain.from_iterable(shares)) == sorted(batch)
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
        assert all(order.size(number) == len(batch) for order in orders)


def test_an_empty_share_is_a_batch_of_no_films() -> None:
    values, labels = FilmBatches(np.zeros((1, 7, 2, 2), dtype=np.uint8), LABELS)[[]]
    assert (values.shape, labels.shape) == ((0, 2, 2), (0,))


def test_batches_take_the_view_that_was_asked_for() -> None:
    inputs = np.arange(2 * 7, dtype=np.float16).reshape(2, 7, 1)
    values, labels = FilmBatches(inputs, LABELS)[[0, 6, 7, 13]]
    assert values[:, 0].tolist() == [0, 6, 7, 13]
    assert labels.tolist() == [0, 1, 0, 1]


def test_films_are_scaled_and_activations_are_not() -> None:
    films = FilmBatches(np.full((1, 7, 2, 2), 255, dtype=np.uint8), LABELS)
    torch.testing.assert_close(films[[0]][0], torch.ones(1, 2, 2))
