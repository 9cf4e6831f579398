"""Values are sorted as torch.sort does it, with the same gradient."""

import pytest
import torch

from absslab.core.model.ranked_values import rank_values


def draw(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


CASES = {
    "masks": draw(2, 3, 500),
    "one row": draw(1, 1, 40),
    "one value": draw(2, 3, 1),
    "without other axes": draw(40),
    "no value": draw(2, 3, 0),
    "large": 1e30 * draw(2, 3, 50),
    "tiny": 1e-42 * draw(2, 3, 50),  # subnormal
    "with zeros": draw(2, 3, 50).relu() - draw(2, 3, 50),
    "negative": draw(2, 3, 50) - 0.5,
    "double": draw(2, 3, 50).double(),
    "infinite": draw(2, 3, 50).masked_fill(draw(2, 3, 50) > 0.9, torch.inf),
    "transposed": draw(50, 3, 2).transpose(0, 2),
}


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_values_are_sorted_with_the_largest_first(values):
    expected = values.sort(-1, descending=True).values
    assert torch.equal(rank_values(values), expected)


def test_a_negative_zero_is_as_large_as_a_positive_one():
    assert rank_values(torch.tensor([[-0.0, 0.5, 0.0]])).tolist() == [[0.5, 0.0, 0.0]]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_each_value_gets_the_gradient_of_its_rank(n_threads):
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        plain = draw(2, 3, 200).requires_grad_()
        ours = plain.detach().clone().requires_grad_()
        weights = draw(2, 3, 200)
        (plain.sort(-1, descending=True).values * weights).sum().backward()
        (rank_values(ours) * weights).sum().backward()
    finally:
        torch.set_num_threads(before)
    assert torch.equal(ours.grad, plain.grad)


def test_a_gradient_of_equal_values_reaches_each_of_them_once():
    values = torch.full((1, 4), 0.5, requires_grad=True)
    (rank_values(values) * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert sorted(values.grad[0].tolist()) == [1, 2, 3, 4]


def test_what_is_no_number_comes_first_as_torch_has_it():
    values = torch.tensor([[0.5, torch.nan, -1.0, 0.2]])
    expected = values.sort(-1, descending=True).values
    torch.testing.assert_close(rank_values(values), expected, equal_nan=True)
