"""Take over a StyleGAN: python -m ohlora convert-weights source=ffhq.pkl out=ffhq.safetensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ohlora.laboratory.conversion.checkpoint import Source

STYLES_FOR_MEAN = 10_000  # where a file does not say what the average style is


@dataclass(frozen=True)
class ConvertWeights:
    """Write `out`, safetensors with a card, of `source`, a checkpoint as its author published it."""

    source: str | None
    out: str | None
    trust: bool

    def run(self) -> None:
        """Convert, draw one face with the result, and print what came out."""
        from pathlib import Path

        import torch

        from ohlora.face.trained.stylegan.pretrained import load_generator
        from ohlora.laboratory.conversion.checkpoint import read_source

        out = self.check()
        source = Path(str(self.source)).expanduser()
        if source.suffix.lower() == ".pkl":
            print(
                f"{source.name} is a pickle, which can run code when read the intended way; read here as data"
            )
        path = self.write(read_source(source, self.trust), out)
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

    def check(self) -> Path:
        """Where to write; every wrong setting at once."""
        from pathlib import Path

        from ohlora.errors import OhloraError

        faults = []
        if not self.source:
            faults.append("source=FILE is missing: a .pkl, .pth, .pt or .safetensors with a StyleGAN")
        if not self.out or Path(self.out).suffix != ".safetensors":
            faults.append(f"out={self.out} is not the name of a .safetensors file")
        if not isinstance(self.trust, bool):
            faults.append(f"trust={self.trust} is not true or false")
        if self.source and self.out and Path(self.source).resolve() == Path(self.out).resolve():
            faults.append("out is the source itself")
        if faults:
            raise OhloraError("; ".join(faults))
        return Path(str(self.out)).expanduser()

    def write(self, source: Source, out: Path) -> Path:
        """Check every tensor against the network it belongs to, and save them under our names."""
        import torch

        from ohlora.assets import save_model
        from ohlora.face.trained.stylegan.naming import in_our_names, network_for, sizes_of

        kind, naming, tensors = in_our_names(source.tensors)
        mean_from = "the file"
        if naming == "rosinality" and "mapping.w_avg" not in tensors:
            tensors["mapping.w_avg"] = torch.zeros(sizes_of(kind, tensors, source.conv_clamp).w_dim)
            mean_from = f"the mean of {STYLES_FOR_MEAN:,} styles"
        network = network_for(kind, tensors, source.conv_clamp)
        plan = network.plan
        if mean_from != "the file":
            latents = torch.randn(
                STYLES_FOR_MEAN, plan.latent_dim, generator=torch.Generator().manual_seed(0)
            )
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
            "source": {**source.told, "naming": naming},
            "licence": "that of the source, which this file is a copy of in another format",
        }
        return save_model(out.parent, out.stem, network.state_dict(), card)
