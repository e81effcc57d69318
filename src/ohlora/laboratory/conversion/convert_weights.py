"""Take over a StyleGAN: python -m ohlora convert-weights source=ffhq.pkl out=ffhq.safetensors."""

from __future__ import annotations

from pathlib import Path

import torch

from ohlora.assets import save_model
from ohlora.face.trained.stylegan.naming import in_our_names, network_for, sizes_of
from ohlora.face.trained.stylegan.pretrained import load_generator
from ohlora.laboratory.conversion.checkpoint import Source, read_source
from ohlora.laboratory.conversion.jobs import ConvertWeights

STYLES_FOR_MEAN = 10_000  # where a file does not say what the average style is


def convert_weights(job: ConvertWeights) -> None:
    """Convert, draw one face with the result, and print what came out."""
    source, out = job.files
    if source.suffix.lower() == ".pkl":
        print(f"{source.name} is a pickle, which can run code when read the intended way; read here as data")
    path = write(read_source(source, job.trust), out)
    generator = load_generator(path)
    with torch.no_grad():
        image = generator.synthesis(generator.w_mean[None])
    card = generator.card
    print(f"{path}: {card['kind']} of {generator.resolution} px, {card['weights']['values']:,} values")
    print(
        f"latents of {generator.latent_dim}, styles of {card['w_dim']} in {generator.layers} layers,"
        f" {len(generator.properties)} labels; the average face: {image.min():.2f} to {image.max():.2f}"
    )
    print("The weights stay under their author's licence; many are for non-commercial use.")


def write(source: Source, out: Path) -> Path:
    """Check every tensor against the network it belongs to, and save them under our names."""
    kind, naming, tensors = in_our_names(source.tensors)
    mean_from = "the file"
    if naming == "rosinality" and "mapping.w_avg" not in tensors:
        tensors["mapping.w_avg"] = torch.zeros(sizes_of(kind, tensors, source.conv_clamp).w_dim)
        mean_from = f"the mean of {STYLES_FOR_MEAN:,} styles"
    network = network_for(kind, tensors, source.conv_clamp)
    plan = network.plan
    if mean_from != "the file":
        latents = torch.randn(STYLES_FOR_MEAN, plan.latent_dim, generator=torch.Generator().manual_seed(0))
        network.w_mean.copy_(network.mapping(latents, latents.new_empty(len(latents), 0)).mean(dim=0))
    card = {
        "kind": kind,
        "resolution": plan.resolution,
        "latent_dim": plan.latent_dim,
        "w_dim": plan.w_dim,
        "label_dim": plan.label_dim,
        "mapping_layers": len(plan.mapping),
        "channels": list(plan.channels),
        "conv_clamp": source.conv_clamp,
        "w_mean": mean_from,
        "source": {**source.provenance, "naming": naming},
        "licence": "that of the source, which this file is a copy of in another format",
    }
    return save_model(out.parent, out.stem, network.state_dict(), card)
