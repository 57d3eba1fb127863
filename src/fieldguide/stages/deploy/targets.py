"""Where a guide can be put online: the files that each platform wants beside the guide, and the commands to run.

Each target is a function from what is known of the deployment to the texts of its files; nothing is written here. No
text of the guide gets into a file that runs: those hold `slug` alone, which is letters, digits and hyphens.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fieldguide.stages.deploy.package import PYTHON
from fieldguide.text import one_line, render

PORT = 8000  # where a platform names none
_KEY = "FIELDGUIDE_API_KEY"
_NEW_KEY = "$(openssl rand -hex 16)"
_EXPORT_KEY = f"export {_KEY}={_NEW_KEY}"
# The networks of the platforms' own proxies: only what those say of where a request came from is believed, and the
# rate limit is then that of each visitor. RFC 1918 and RFC 6598.
_PROXIES = "127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10"
_ANYBODY = 65532  # a user who owns nothing, as in the "nonroot" images
_SPACES_USER = 1000  # Spaces runs containers as this one
_BODY_ROOM = 1.4  # base64 in JSON is a third longer than the picture


@dataclass(frozen=True)
class Deployment:
    """What is known of a deployment.

    Attributes:
        name: the guide's name.
        about: what it tells apart.
        slug: the name as it can stand in an address.
        wheel: the file of Fieldguide's wheel.
        version: Fieldguide's version.
        insecure: whether anybody may use it, without an API key.
        max_bytes: the largest picture that it takes.
    """

    name: str
    about: str
    slug: str
    wheel: str
    version: str
    insecure: bool
    max_bytes: int

    def serve(self, *options: str) -> str:
        """Return the shell's command that serves the guide; it wants a key, or says that it does not.

        The server takes the shell's place, so that it hears when the platform ends it.
        """
        words = ["exec fieldguide serve --host 0.0.0.0 --log", *options, *(["--insecure"] if self.insecure else [])]
        return " ".join(words)

    def keyed(self, *commands: str) -> tuple[str, ...]:
        """Return the commands where the deployment has a key, else none."""
        return () if self.insecure else commands


@dataclass(frozen=True)
class Plan:
    """What a target writes beside the guide and Fieldguide itself, and the commands that put it online.

    Attributes:
        commands: to be run in the folder.
        files: texts by path.
        frame_origins: the platform's own pages, which show the guide's in a frame.
    """

    commands: tuple[str, ...]
    files: Mapping[str, str]
    frame_origins: tuple[str, ...] = ()


def _plan_docker(what: Deployment) -> Plan:
    """Return a container image of one's own."""
    lock = "--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges"
    key = "" if what.insecure else f"-e {_KEY} "
    commands = (
        f"docker build -t {what.slug} .",
        *what.keyed(_EXPORT_KEY),
        f"docker run -d --name {what.slug} -p 127.0.0.1:{PORT}:{PORT} {key}{lock} {what.slug}",
        _ask(what, f"http://127.0.0.1:{PORT}"),
    )
    files = _container(what, _ANYBODY) | {"compose.yaml": _render("compose.yaml", what)}
    return Plan(commands, files | {"README.md": _readme("docker", what, commands)})


def _plan_heroku(what: Deployment) -> Plan:
    """Return an app of Heroku's Python buildpack."""
    commands = (
        f'git init -q -b main && git add . && git commit -q -m "{what.slug}"',
        f"heroku create {what.slug}",
        *what.keyed(f"heroku config:set {_KEY}={_NEW_KEY}"),
        f"heroku config:set FORWARDED_ALLOW_IPS={_PROXIES}",
        "git push heroku main",
        "heroku open",
    )
    # a dyno shows all cores of its host; the smallest has 512 MB, and a process that classifies takes about 150
    process = what.serve("--port $PORT", "--workers ${WORKERS:-1}")
    variables: dict[str, dict[str, str]] = {"FORWARDED_ALLOW_IPS": {"value": _PROXIES}}
    if not what.insecure:
        variables[_KEY] = {"description": "what the page and each request have to bring", "generator": "secret"}
    app = {"name": what.slug, "description": one_line(what.about)[:140], "env": variables}
    files = {
        "Procfile": f"web: {process}\n",
        ".python-version": f"{PYTHON}\n",
        "app.json": json.dumps(app, indent=1) + "\n",
        ".slugignore": "README.md\napp.json\n",
        "README.md": _readme("heroku", what, commands),
    }
    return Plan(commands, files)


def _plan_elastic_beanstalk(what: Deployment) -> Plan:
    """Return a source bundle of Elastic Beanstalk's Python platform."""
    commands = (
        f"eb init -p python-{PYTHON} {what.slug}",
        " ".join([f"eb create {what.slug}", *what.keyed(f"--envvars {_KEY}={_NEW_KEY}")]),
        "eb status",
    )
    files = {
        "Procfile": f"web: {what.serve(f'--port ${{PORT:-{PORT}}}')}\n",
        ".ebextensions/fieldguide.config": _render("ebextensions.yaml", what),
        ".platform/nginx/conf.d/fieldguide.conf": _render("nginx.conf", what),
        ".ebignore": ".elasticbeanstalk\n.git\nREADME.md\n",
        "README.md": _readme("elastic-beanstalk", what, commands),
    }
    return Plan(commands, files)


def _plan_spaces(what: Deployment) -> Plan:
    """Return a Hugging Face Space that is a container."""
    space = f"YOUR_NAME/{what.slug}"
    commands = (
        "hf auth login",
        f"hf repos create {space} --type space --sdk docker",
        *what.keyed(_EXPORT_KEY, f"hf spaces secrets add {space} --secrets {_KEY}"),
        f"hf upload {space} . . --repo-type space",
    )
    heading = {
        "title": one_line(what.name), "emoji": "\N{LEFT-POINTING MAGNIFYING GLASS}", "colorFrom": "green",
        "colorTo": "blue", "sdk": "docker", "app_port": PORT, "pinned": False,
        "short_description": one_line(what.about)[:60],
    }  # fmt: skip
    matter = "".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in heading.items() if value != ""
    )
    files = _container(what, _SPACES_USER) | {
        ".gitattributes": "*.onnx filter=lfs diff=lfs merge=lfs -text\n*.whl filter=lfs diff=lfs merge=lfs -text\n",
        "README.md": f"---\n{matter}---\n\n{_readme('spaces', what, commands)}",
    }
    return Plan(commands, files, ("https://huggingface.co",))


def _plan_static(what: Deployment) -> Plan:
    """Return a site that needs no server of its own: the web form, which answers in the visitor's browser."""
    commands = (
        "python3 -m http.server -d site   # to try it: http://localhost:8000/",
        "netlify deploy --prod --dir site",
        f'git init -q -b main && git add . && git commit -q -m "{what.slug}"',
        f"gh repo create {what.slug} --public --source . --push",
        "gh api -X POST repos/{owner}/{repo}/pages -f build_type=workflow",
        "gh workflow run pages.yml",
    )
    files = {
        "netlify.toml": '[build]\npublish = "site"\n',
        ".github/workflows/pages.yml": _render("pages.yml", what),
        "README.md": _readme("static", what, commands),
    }
    return Plan(commands, files)


TARGETS: Mapping[str, Callable[[Deployment], Plan]] = {
    "docker": _plan_docker,
    "heroku": _plan_heroku,
    "elastic-beanstalk": _plan_elastic_beanstalk,
    "spaces": _plan_spaces,
    "static": _plan_static,
}


def _container(what: Deployment, user: int) -> dict[str, str]:
    """Return what an image is made from."""
    return {
        "Dockerfile": _render("Dockerfile", what, user=user, process=what.serve("--port $PORT")),
        ".dockerignore": f"*\n!requirements.txt\n!{what.wheel}\n!fieldguide.toml\n!guide\n",
    }


def _ask(what: Deployment, address: str) -> str:
    """Return a command that asks the server about a picture."""
    key = "" if what.insecure else f'-H "Authorization: Bearer ${_KEY}" '
    return f"curl {key}-F file=@picture.jpg {address}/v1/classify"


def _readme(target: str, what: Deployment, commands: tuple[str, ...]) -> str:
    """Return the page that says how to put the folder online."""
    ask = _ask(what, "$ADDRESS")
    return _render(f"{target}.md", what, commands="\n".join(commands), ask=ask)


def _render(template: str, what: Deployment, **values: object) -> str:
    """Return a file of a deployment."""
    known = {"python": PYTHON, "port": PORT, "proxies": _PROXIES, "key": _KEY, **vars(what)}
    body_mb = -(-int(what.max_bytes * _BODY_ROOM) // 1_000_000)
    return f"{render(f'deploy/{template}', {**known, 'body_mb': body_mb, **values}).rstrip()}\n"
