"""What [branding] says of the guide's page; its logo is drawn anew, so that only pixels are published."""

from dataclasses import dataclass
from pathlib import Path

from fieldguide.errors import BadImage, SettingsError, translate_os_errors
from fieldguide.guide.page import LOGO
from fieldguide.hashing import hash_file
from fieldguide.images import Limits, icon_png
from fieldguide.settings import BrandingSettings

_LOGO_SIDE = 256
_LIMITS = Limits(formats=("JPEG", "PNG", "WEBP", "GIF", "BMP"), max_bytes=20_000_000)


def fingerprint_branding(branding: BrandingSettings, project: Path) -> dict[str, str]:
    """Return what the page's branding depends on; nothing where it is as usual.

    Args:
        branding: the table of fieldguide.toml.
        project: the folder that the logo's path is relative to.
    """
    values = {key: value for key, value in branding.model_dump().items() if value}
    logo = project / branding.logo
    return values | ({"logo_sha256": hash_file(logo)} if branding.logo and logo.is_file() else {})


@dataclass(frozen=True)
class Branding:
    """What a guide says of its page.

    Attributes:
        values: as in guide.json; nothing where it is as usual.
        logo: a PNG file, empty where there is none.
    """

    values: dict[str, str]
    logo: bytes = b""

    @classmethod
    def read(cls, branding: BrandingSettings, project: Path) -> "Branding":
        """Read the table of fieldguide.toml, whose logo's path is relative to the project's folder.

        Raises:
            SettingsError: the logo is not a picture inside that folder.
        """
        values = {key: value for key, value in branding.model_dump().items() if value}
        return cls(values | {"logo": LOGO}, _draw_logo(branding.logo, project)) if branding.logo else cls(values)

    def write(self, folder: Path) -> dict[str, dict[str, str]]:
        """Write the logo into a guide's folder; return what guide.json says besides, nothing where it is as usual."""
        if self.logo:
            (folder / LOGO).write_bytes(self.logo)
        return {"branding": self.values} if self.values else {}


def _draw_logo(name: str, project: Path) -> bytes:
    """Return the logo as a PNG that holds its pixels and nothing else."""
    path, hint = (project / name).resolve(), "give a PNG, JPEG, WebP or GIF file inside the project's folder"
    if not path.is_relative_to(project.resolve()) or not path.is_file():
        raise SettingsError(f"branding.logo = {name!r}: there is no such file in the project", hint)
    with translate_os_errors(f"reading {path}"):
        data = path.read_bytes()
    try:
        return icon_png(data, _LOGO_SIDE, _LIMITS)
    except BadImage as error:
        raise SettingsError(f"branding.logo = {name!r} is not a picture that can be used: {error}", hint) from error
