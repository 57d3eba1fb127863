"""A file of weights from the Hugging Face hub, or from torchvision's server, kept in their own caches.

Knows nothing about networks. What arrives is compared with the checksum that the hub publishes for it.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldguide.errors import InputUnusable, NetworkDown, SettingsError
from fieldguide.hashing import hash_file
from fieldguide.optional import require

__all__ = ["Hub"]

_FILES = ("model.safetensors", "pytorch_model.bin")
_WAYS = 'weights = "embedded" with backbone = "efficientnet_lite0", or weights = the path of a file fetched elsewhere'


@dataclass(frozen=True)
class Hub:
    """Where weights are fetched from.

    Attributes:
        endpoint: the hub's address; None for the public one.
        cache: where files are kept; None for the hub's own folder.
    """

    endpoint: str | None = None
    cache: Path | None = None

    def fetch(self, name: str, config: Mapping[str, Any]) -> Path:
        """The file of weights of a backbone, fetched unless it is there already.

        Args:
            name: for messages.
            config: what timm says of the weights: `hf_hub_id`, or `url` with the beginning of a checksum in its name.

        Raises:
            NetworkDown: it is not there, and the hub cannot be reached.
            InputUnusable: it is not what its checksum says.
            SettingsError: nobody offers weights for it.
            MissingExtra: huggingface_hub is not installed.
        """
        repository, url = config.get("hf_hub_id"), config.get("url")
        if repository:
            return self._from_hub(name, str(repository))
        if url:
            return self._from_url(name, str(url))
        raise SettingsError(f"nobody offers weights for {name}", _WAYS)

    def _from_hub(self, name: str, repository: str) -> Path:
        """The file from the hub."""
        require("huggingface_hub", extra="train")
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

        # its client's own error for any failure is a base of the hub's, whichever client this version has
        names = ("HTTPError", "OSError")
        bases = (base for base in HfHubHTTPError.__mro__ if issubclass(base, Exception) and base.__name__ in names)
        failures: tuple[type[Exception], ...] = tuple(bases)
        places: list[dict[str, Any]] = [{"repo_id": repository, "filename": file} for file in _FILES]
        for place in places:
            with suppress(LocalEntryNotFoundError):
                path = hf_hub_download(**place, cache_dir=self.cache, local_files_only=True)
                return _checked(Path(path), Path(path).resolve().name)
        for place in places:
            try:
                # asked first, once and without retries: downloading would try for half a minute to find no network
                get_hf_file_metadata(hf_hub_url(**place, endpoint=self.endpoint), endpoint=self.endpoint)
                path = hf_hub_download(**place, cache_dir=self.cache, endpoint=self.endpoint)
            except LocalEntryNotFoundError as error:
                raise _down(name, repository) from error
            except EntryNotFoundError:
                continue
            except failures as error:
                raise _down(name, repository) from error
            return _checked(Path(path), Path(path).resolve().name)
        raise SettingsError(f"the hub has no weights for {name} in {repository}", _WAYS)

    def _from_url(self, name: str, url: str) -> Path:
        """The file at an address; its name ends in the beginning of its SHA-256, as torchvision's do."""
        from urllib.error import URLError

        import torch

        found = re.search(r"-([0-9a-f]{8,})\.", url)
        folder = self.cache or Path(torch.hub.get_dir()) / "checkpoints"
        path = folder / url.rpartition("/")[2]
        if not path.is_file():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(url, str(path), progress=False)
            except (URLError, OSError) as error:
                raise _down(name, url) from error
        return _checked(path, found.group(1) if found else "")


def _down(name: str, where: str) -> NetworkDown:
    """The error for no network, with the two ways on."""
    return NetworkDown(f"the weights of {name} are not here and {where} cannot be reached", _WAYS)


def _checked(path: Path, said: str) -> Path:
    """The path.

    Raises:
        InputUnusable: the file's SHA-256 does not begin with what is said, where that is a checksum.
    """
    found = hash_file(path)
    if re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", said) and not found.startswith(said):
        raise InputUnusable(f"{path} has SHA-256 {found[:16]}..., not {said[:16]}...", "remove the file and try again")
    return path
