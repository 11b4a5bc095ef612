"""The other influence methods, each against its definition."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from shortcut_audit.errors import DataError, ModelError, UsageError
from shortcut_audit.evidence.gradients.factor_cache import weights_digest
from shortcut_audit.evidence.gradients.influence.deletion import Deletion
from shortcut_audit.evidence.gradients.influence.gradient_cosine import GradientCosine
from shortcut_audit.evidence.gradients.influence.gradient_dot import GradientDot
from shortcut_audit.evidence.gradients.influence.gradient_sketch import GradientSketch
from shortcut_audit.evidence.gradients.influence.influence_function import InfluenceFunction
from shortcut_audit.evidence.gradients.influence.score_matrix import ScoreMatrix
from shortcut_audit.evidence.gradients.layers_and_scalars import missed_probability
from shortcut_audit.evidence.gradients.linear_head import fit_head, head_features
from shortcut_audit.measures.rankings import spearman, top_k_intersection
from shortcut_audit.records import Labelled
from shortcut_audit.subjects.loading.small_resnet import SmallResnet

DECAY = 1e-2


def images(n: int, seed: int) -> Labelled:
    """Pictures of three classes that differ in colour, under noise."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    colours = torch.tensor([[150, 110, 110], [110, 150, 110], [110, 110, 150]])[
        labels, :, None, None
    ]
    noise = torch.randint(-100, 100, (n, 3, 32, 32), generator=draw)
    return Labelled((colours + noise).to(torch.uint8), labels)


@pytest.fixture
def network() -> SmallResnet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SmallResnet(3).train()
        with torch.no_grad():
            network(images(32, 9).images / 255)
        return network.eval()


@pytest.fixture
def fitted(network: SmallResnet) -> tuple[SmallResnet, Labelled]:
    """The network with its head at the minimum of the regularised loss on 40 images, of which some
    have a wrong label.
    """
    training = images(40, 0)
    training.labels[::7] = (training.labels[::7] + 1) % 3
    z, classes = head_features(network, training.images, 16)
    theta = fit_head(z, F.one_hot(training.labels, classes).double(), DECAY)
    with torch.no_grad():
        network.fc.weight.copy_(theta[:-1].T)
        network.fc.bias.copy_(theta[-1])
    return network, training


def loss_gradients(network: nn.Module, parameters: list[nn.Parameter], some: Labelled) -> Tensor:
    dtype = parameters[0].dtype
    losses = F.cross_entropy(network(some.images.to(dtype) / 255), some.labels, reduction="none")
    each = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
    return torch.stack([torch.cat([g.flatten() for g in gradients]) for gradients in each])


@pytest.mark.parametrize("scalar", ["logit", "loss"])
def test_gradient_dot_is_the_inner_product_of_autograd_s_gradients(
    network: SmallResnet, scalar: str
) -> None:
    queries, training = images(3, 1), images(5, 0)
    scores = GradientDot(("layer4", "fc"), scalar).scores(network.double(), queries, training)  # type: ignore[arg-type]
    parameters = [*network.layer4.parameters(), *network.fc.parameters()]
    if scalar == "loss":
        rows = [loss_gradients(network, parameters, some) for some in (queries, training)]
    else:
        rows = [
            torch.stack(
                [
                    torch.cat(
                        [g.flatten() for g in torch.autograd.grad(logits[0, label], parameters)]
                    )
                    for image, label in zip(some.images, some.labels, strict=True)
                    for logits in [network(image[None].double() / 255)]
                ]
            )
            for some in (queries, training)
        ]
    np.testing.assert_allclose(scores, (rows[0] @ rows[1].T).numpy(), rtol=1e-5)


def test_the_missed_probability_of_a_sure_model_is_not_rounded_to_zero(
    network: SmallResnet,
) -> None:
    with torch.no_grad():
        network.fc.weight.zero_()
        network.fc.bias.copy_(torch.tensor([60.0, 0, 0]))
    some = Labelled(images(4, 0).images, torch.zeros(4, dtype=torch.int64))
    missed = missed_probability(network, some, 3)
    torch.testing.assert_close(
        missed, torch.full((4,), 2 * np.exp(-60.0), dtype=torch.float64), rtol=1e-12, atol=0
    )


def test_influence_function_equals_a_solve_with_the_hessian_as_a_matrix(
    fitted: tuple[SmallResnet, Labelled],
) -> None:
    network, training = fitted
    queries = images(6, 1)
    scores = InfluenceFunction(damping=DECAY).scores(network, queries, training)
    exact = deepcopy(network).double()
    parameters = [exact.fc.weight, exact.fc.bias]
    z = head_features(exact, training.images, 16)[0]
    shapes = [p.shape for p in parameters]

    def mean_loss(flat: Tensor) -> Tensor:
        weight, bias = (
            part.view(shape)
            for part, shape in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)
        )
        return F.cross_entropy(z[:, :-1] @ weight.T + bias, training.labels)

    at = torch.cat([p.detach().flatten() for p in parameters])
    hessian = torch.autograd.functional.hessian(mean_loss, at) + DECAY * torch.eye(
        len(at), dtype=torch.float64
    )
    rows = [loss_gradients(exact, parameters, some) for some in (queries, training)]
    expected = rows[0] @ torch.linalg.solve(hessian, rows[1].T) / len(training.images)
    np.testing.assert_allclose(
        scores, expected.numpy(), rtol=1e-4, atol=1e-6 * float(expected.abs().max())
    )


def test_influence_functions_rank_as_real_retraining_on_a_convex_head(
    fitted: tuple[SmallResnet, Labelled],
) -> None:
    network, training = fitted
    queries = images(9, 1)
    predicted = InfluenceFunction(damping=DECAY).scores(network, queries, training)
    real = Deletion(decay=DECAY).scores(network, queries, training)
    assert spearman(predicted, real).min() > 0.9
    # a method that answers another question
    wrong = GradientCosine(("fc",)).scores(network, queries, training)
    assert spearman(wrong, real).mean() < spearman(predicted, real).min()


def test_influence_functions_reach_below_the_head(network: SmallResnet) -> None:
    """Against the Gauss-Newton matrix itself, made from every logit's gradient."""
    queries, training = images(2, 1), images(5, 0)
    scores = InfluenceFunction(("layer4.0.bn2", "fc"), damping=0.1).scores(
        network, queries, training
    )
    exact = deepcopy(network).double()
    parameters = [*exact.layer4[0].bn2.parameters(), *exact.fc.parameters()]
    logits = exact(training.images.double() / 255)
    hessian: Tensor = 0.1 * torch.eye(sum(p.numel() for p in parameters), dtype=torch.float64)
    for row in logits:
        each = [torch.autograd.grad(logit, parameters, retain_graph=True) for logit in row]
        jacobian = torch.stack([torch.cat([g.flatten() for g in gradients]) for gradients in each])
        p = row.softmax(0)
        hessian = hessian + (
            jacobian.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian
        ).detach() / len(logits)
    rows = [loss_gradients(exact, parameters, some) for some in (queries, training)]
    expected = rows[0] @ torch.linalg.solve(hessian, rows[1].T) / len(logits)
    np.testing.assert_allclose(
        scores, expected.numpy(), rtol=1e-4, atol=1e-6 * float(expected.abs().max())
    )


def test_the_head_is_scikit_learns_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    theta = fit_head(
        torch.from_numpy(z), F.one_hot(torch.from_numpy(labels), 3).double(), 0.05
    ).numpy()
    theirs = LogisticRegression(
        C=1 / (0.05 * 60), fit_intercept=False, tol=1e-10, max_iter=1000
    ).fit(z, labels)
    np.testing.assert_allclose(
        theta - theta.mean(1, keepdims=True),
        theirs.coef_.T - theirs.coef_.mean(0)[:, None],
        atol=1e-5,
    )


def test_deletion_of_one_image_is_training_once_more_without_it(
    fitted: tuple[SmallResnet, Labelled],
) -> None:
    network, training = fitted
    queries = images(4, 1)
    scores = Deletion(decay=DECAY).scores(network, queries, training)
    z, ahead = (head_features(network, some.images, 7)[0] for some in (training, queries))
    kept = torch.arange(40) != 14
    m = 40

    def losses(keep: Tensor) -> Tensor:
        # fit_head divides by the images it sees; the definition divides by m
        share = float(keep.double().mean())
        theta = fit_head(z[keep], F.one_hot(training.labels[keep], 3).double(), DECAY / share)
        return F.cross_entropy(ahead @ theta, queries.labels, reduction="none")

    expected = losses(kept) - losses(torch.ones(m, dtype=torch.bool))
    np.testing.assert_allclose(scores[:, 14], expected.numpy(), rtol=1e-5, atol=1e-9)


def test_whole_networks_are_retrained_without_chance(network: SmallResnet) -> None:
    queries, training = images(3, 1), images(6, 0)
    method = Deletion("whole", steps=4)
    scores = method.scores(network, queries, training)
    np.testing.assert_array_equal(scores, method.scores(network, queries, training))
    assert scores.shape == (3, 6)
    assert (np.abs(scores) > 0).all()
    doubled = Labelled(
        torch.cat([training.images, training.images[:1]]),
        torch.cat([training.labels, training.labels[:1]]),
    )
    twins = method.scores(network, queries, doubled)
    # either twin may go: the other stays
    np.testing.assert_allclose(twins[:, 0], twins[:, 6], atol=1e-4)


def test_the_sketch_is_exact_for_its_candidates_and_never_above_them(network: SmallResnet) -> None:
    queries, training = images(4, 1), images(60, 0)
    exact = GradientCosine(scalar="loss").scores(network, queries, training)
    sketch = GradientSketch(scalar="loss", width=16, candidates=20).scores(
        network, queries, training
    )
    fine = np.isclose(sketch, exact, atol=2e-6)
    assert (fine.sum(1) >= 20).all()
    best = np.sort(sketch, 1)[:, ::-1]
    assert all(fine[row, np.argsort(-sketch[row], kind="stable")[:15]].all() for row in range(4))
    assert best.shape == exact.shape
    assert top_k_intersection(sketch, exact, 5).mean() > 0.9
    np.testing.assert_allclose(
        GradientSketch(scalar="loss", candidates=60).scores(network, queries, training),
        exact,
        atol=2e-6,
    )


def test_sketched_inner_products_have_the_exact_ones_as_their_mean() -> None:
    from shortcut_audit.evidence.gradients.influence.gradient_sketch import SketchForm

    draw = torch.Generator().manual_seed(0)
    layer = nn.Conv2d(12, 20, 3, padding=1, bias=False)
    x, g = (torch.randn(2, c, 4, 4, generator=draw) for c in (12, 20))
    weight = [
        torch.nn.grad.conv2d_weight(
            x[i : i + 1], layer.weight.shape, g[i : i + 1], padding=1
        ).flatten()
        for i in (0, 1)
    ]
    sketched = [SketchForm(layer, 8, seed).factor(x, g) for seed in range(400)]
    products = torch.stack([each.dots(each)[0, 1] for each in sketched])
    assert abs(float(products.mean() - weight[0] @ weight[1])) < 4 * float(products.std()) / 20


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
def test_a_matrix_made_elsewhere_comes_in_as_it_is(
    network: SmallResnet, tmp_path: Path, suffix: str
) -> None:
    queries, training = images(3, 1), images(5, 0)
    matrix = np.random.default_rng(0).normal(size=(5, 3))
    path = tmp_path / f"scores-{weights_digest(network)[:12]}{suffix}"
    if suffix == ".npy":
        np.save(path, matrix)
    else:
        save_file({"scores": matrix, "other": matrix[:1].copy()}, path)
    scores = ScoreMatrix(tmp_path / f"scores-{{model}}{suffix}", transpose=True).scores(
        network, queries, training
    )
    np.testing.assert_array_equal(scores, matrix.T.astype(np.float32))


def test_a_matrix_that_does_not_fit_is_a_clear_error(network: SmallResnet, tmp_path: Path) -> None:
    queries, training = images(3, 1), images(5, 0)
    np.save(tmp_path / "turned.npy", np.zeros((5, 3)))
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no matrix")
    (tmp_path / "text.safetensors").write_text("no matrix")
    save_file({"a": np.zeros(2), "b": np.zeros(2)}, tmp_path / "two.safetensors")
    np.save(tmp_path / "words.npy", np.array(["a"]))
    for name, error, message in (
        (
            "turned.npy",
            DataError,
            r"holds \(5, 3\) scores; this audit has 3 queries x 5 images; set 'transpose: true'",
        ),
        ("pickled.npy", UsageError, "is no score matrix"),
        ("text.npy", UsageError, "is no score matrix"),
        ("text.safetensors", UsageError, "is no score matrix"),
        ("two.safetensors", UsageError, "is no score matrix"),
        ("words.npy", UsageError, "is no score matrix"),
        ("gone.npy", UsageError, "there is no score matrix '.*gone.npy'"),
    ):
        with pytest.raises(error, match=message):
            ScoreMatrix(tmp_path / name).scores(network, queries, training)
    with pytest.raises(UsageError, match="needs a file"):
        ScoreMatrix().scores(network, queries, training)


def test_what_the_head_methods_need_is_said() -> None:
    some = images(4, 0)
    headless = nn.Sequential(nn.Conv2d(3, 3, 32), nn.Flatten())
    with pytest.raises(ModelError, match="last layer, 0, is a Conv2d and no linear classifier"):
        InfluenceFunction().scores(headless, some, some)
    with pytest.raises(UsageError, match="needs a decay above 0, not 0"):
        Deletion(decay=0).scores(headless, some, some)
