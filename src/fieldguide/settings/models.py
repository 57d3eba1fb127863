"""The tables of `fieldguide.toml`: type, default, bounds and help of each key.

Knows nothing about files, or about how the stages use their settings.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from fieldguide.names import check_name, check_names
from fieldguide.records import Fit, Preprocessing
from fieldguide.settings.patterns import check_pattern

SCHEMA_VERSION = 2
FEW_PICTURES = 300  # with so few, a validation split of a seventh says little
Auto = Literal["auto"]
CrossValidate = Literal["auto", "always", "never"]
Suspicion = Annotated[float, Field(ge=0.5, le=1.0)] | Literal["suspect", "off"]
ImageFormat = Literal["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"]
Share = Annotated[float, Field(strict=True, ge=0.02, le=0.45)] | Annotated[int, Field(strict=True, ge=1, le=100_000)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[a-z0-9]{2,8})*$")]  # of BCP 47, in small letters
ClassName = Annotated[str, AfterValidator(check_name)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    """A table of fieldguide.toml: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: object, info: ValidationInfo) -> object:
        """Refuse `true` where a number is meant; Python would take it for 1."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("must not be true or false")
        return value


class LinkSettings(Section):
    """A page to read more, written as its address or as {label, url}."""

    url: str = Field(max_length=2000, description="the https address")
    label: str = Field("", max_length=200, description="what it is, such as Wikipedia; default: from the address")

    @model_validator(mode="before")
    @classmethod
    def _accept_address(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value

    @model_serializer
    def _write_shortest(self) -> str | dict[str, str]:
        return {"label": self.label, "url": self.url} if self.label else self.url


class ClassSettings(Section):
    """What the guide says about one class, and what else to search for."""

    names: dict[Language, ClassName] = Field(
        default_factory=dict, max_length=50,
        description='what it is called in other languages, such as {de = "Rose", la = "Rosa"}',
    )  # fmt: skip
    about: str = Field("", max_length=2000, description="a sentence or two, shown with an answer")
    links: tuple[LinkSettings, ...] = Field(
        (), max_length=20, description="https addresses to read more, or {label, url} of each"
    )
    queries: tuple[str, ...] = Field(
        (), max_length=50, description="what to search for instead of the name: synonyms, other languages"
    )
    at: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="what to search for at one source, such as a taxon's name"
    )
    parent: str = Field(
        "", max_length=120, description="what it is a kind of, such as its genus: the answer where the class is unsure"
    )


class ImagesSettings(Section):
    """What counts as a picture."""

    formats: tuple[ImageFormat, ...] = Field(
        ("JPEG", "PNG", "WEBP", "GIF", "BMP"), min_length=1, description="accepted formats; others are refused"
    )
    max_bytes: int = Field(50_000_000, ge=1_000, le=1_000_000_000, description="largest file, in bytes")
    max_pixels: int = Field(
        50_000_000, ge=1_000, le=500_000_000,
        description="largest picture, width x height; a JPEG, decoded smaller, may have four times as many",
    )  # fmt: skip
    max_scans: int = Field(100, ge=1, le=10_000, description="most scans in a progressive JPEG")


class HostSettings(Section):
    """What has been decided about one host."""

    spacing_s: float | None = Field(
        None, ge=0.0, le=3600.0, description="seconds between two requests; default: what the source says, or 1"
    )
    concurrency: int | None = Field(
        None, ge=1, le=64, description="most requests at once; default: what the source says, or 2"
    )
    robots: Literal["obey", "ignore"] = Field(
        "obey", description="ignore robots.txt only with the permission of whoever runs the host"
    )
    browser: bool = Field(False, description="whether its pages may be opened in a browser that Fieldguide drives")
    private: bool = Field(False, description="whether it may be on this machine or in a private network")
    ports: tuple[Port, ...] = Field((), description="additional ports, for this host only")


class CollectSettings(Section):
    """Where pictures are collected from."""

    sources: tuple[str, ...] = Field((), max_length=40, description="where to look, in order; see docs/sources.md")
    per_class: int = Field(300, ge=1, le=100_000, description="good pictures to collect for each class")
    queries: tuple[str, ...] = Field(
        ("{name}",), min_length=1, max_length=50, description='what to search for, such as "{name} chart"'
    )
    licences: Literal["open", "commercial", "modify", "any"] = Field(
        "open", description="open: CC0, public domain, BY, BY-SA; commercial: no NC; modify: no ND; any: all"
    )
    contact: str = Field("", max_length=200, description="an address at which the sources can reach you")
    per_query: int = Field(0, ge=0, le=100_000, description="most results to look at for one query; 0: no limit")
    similar_seeds: int = Field(
        0, ge=0, le=1000, description="how many pictures of a class to search for similar ones; 0: none"
    )
    similar_each: int = Field(40, ge=1, le=1000, description="most similar pictures for each of those")
    similar_share: float = Field(
        0.5, gt=0.0, le=1.0, description="largest share of a class that may come from similarity search"
    )
    connections: int = Field(32, ge=1, le=256, description="most downloads at once, over all hosts")
    max_wait_s: float = Field(600.0, ge=0.0, le=86400.0, description="longest wait a source may ask for, in seconds")
    allow_networks: tuple[str, ...] = Field(
        (), max_length=20, description='private networks that may be contacted, such as "192.168.7.0/24"'
    )
    ports: tuple[Port, ...] = Field((), description="additional ports besides 80 and 443")
    hosts: dict[str, HostSettings] = Field(default_factory=dict, description="settings for single hosts")
    options: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="a source's own options; query: its own search instead of the others"
    )


class CleanSettings(Section):
    """Which pictures are kept."""

    min_side: int = Field(64, ge=1, le=10_000, description="shortest side a picture may have, in pixels")
    copy_distance: int = Field(
        8, ge=0, le=16, description="bits of 64 in which the dHashes of near-duplicates may differ"
    )
    copy_likeness: float = Field(
        0.98, ge=0.5, le=1.0, description="correlation of grey thumbnails that confirms a near-duplicate"
    )
    copy_reframed: float = Field(
        0.96,
        ge=0.5,
        le=1.0,
        description="the same for pictures cropped, framed or turned, once they lie over each other; 1 turns it off",
    )
    alike: float = Field(
        0.95, ge=0.5, le=1.0, description="correlation above which pictures are kept, but always in the same split"
    )
    quality: Suspicion = Field(
        "suspect",
        description="dark, bright, blank, blurred, nearly empty, framed, long or text alone: suspect, off, or the "
        "score from which they are rejected",
    )
    unsafe: Suspicion = Field(
        "suspect",
        description="pictures from the web that may show nudity (extra [safety]): suspect, off, or the score from "
        "which they are rejected",
    )
    labels: Suspicion = Field(
        "suspect",
        description="pictures that look like another class: suspect, off, or the score from which they are rejected",
    )
    outliers: Suspicion = Field(
        "suspect", description="pictures unlike their class: suspect, off, or the score from which they are rejected"
    )
    rescale: int = Field(
        256,
        ge=0,
        le=4096,
        description="shorter side, in pixels, of the copies that networks learn from where there are many originals "
        "of twice that or more; 0: none",
    )
    report: bool = Field(True, description="whether to write clean/report.html")


class ReviewSettings(Section):
    """What a person holds the pictures to."""

    rules: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = Field(
        (), max_length=30, description="what to keep and what to drop, a sentence each; shown while reviewing"
    )


class SplitSettings(Section):
    """How pictures are divided; the rest is for training."""

    val: Share = Field(0.15, description="for validation, which chooses settings: a share, or so many of each class")
    test: Share = Field(
        0.2, description="for the test, which is opened once and chooses nothing: a share, or so many of each class"
    )
    group_pattern: str = Field(
        "", max_length=200, description='what in a file\'s name keeps pictures together, such as "{group}_*.jpg"'
    )
    features_alike: float = Field(
        0.92, ge=0.5, le=1.0, description="likeness of features from which pictures of a class stay together; 1: never"
    )
    burst_s: float = Field(
        60.0, ge=0.0, le=86400.0,
        description="seconds between two shots of one author and camera up to which they stay together; 0: never",
    )  # fmt: skip

    @field_validator("group_pattern")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        return check_pattern(value)


class FeaturesSettings(Section):
    """How the backbone is run."""

    runtime: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto", description="auto: the faster of those installed, measured once on this machine"
    )
    batch_size: int = Field(8, ge=1, le=1024, description="pictures per call of the backbone; more need more memory")


class LoopSettings(Section):
    """How a network is trained, for learners that train one."""

    epochs: Annotated[int, Field(ge=1, le=10_000)] | Auto = Field(
        "auto", description="passes over the training pictures; auto: the learner's usual number"
    )
    batch_size: Annotated[int, Field(ge=1, le=4096)] | Auto = Field(
        "auto", description="pictures per forward pass; auto: 32, or 16 where the whole of a backbone is trained"
    )
    accumulate: Annotated[int, Field(ge=1, le=1024)] | Auto = Field(
        "auto", description="forward passes per step of the optimiser; auto: so many that a step sees 32 pictures"
    )
    optimiser: Literal["adamw", "adam", "sgd", "rmsprop"] = Field("adamw", description="the optimiser")
    lr: Annotated[float, Field(gt=0, le=1000)] | Auto = Field(
        "auto", description="peak learning rate; auto: the learner's usual rate"
    )
    weight_decay: float = Field(0.05, ge=0, le=10, description="weight decay of matrices and kernels")
    schedule: Literal["cosine", "one-cycle", "constant"] = Field("cosine", description="learning rate schedule")
    warm_up: float = Field(1.0, ge=0, le=1000, description="epochs of warm-up; fractions are allowed")
    label_smoothing: float = Field(0.1, ge=0, lt=1, description="share of each target spread over all classes")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the moving average of the weights; 0: no average")
    clip: float = Field(0.0, ge=0, le=1e6, description="largest norm of the gradient; 0: no clipping")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on a GPU that supports it")
    patience: int = Field(
        0, ge=0, le=10_000, description="stop after this many epochs without a better validation score; 0: never"
    )
    imbalance: Literal["none", "weights", "oversample"] = Field(
        "none", description="weights: classes weigh the same in the loss; oversample: classes are shown equally often"
    )
    augment: Literal["none", "light", "strong", "perspective-colour", "shear-zoom"] = Field(
        "light", description="how much pictures are changed during training; see train --preview"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] | Auto = Field(
        "auto", description="factor of the learning rate for each stage further from the head; auto: the learner's own"
    )
    freeze: Annotated[int, Field(ge=0, le=1000)] | Auto = Field(
        "auto", description="mode unfreeze: how many stages stay frozen at first; auto: all but the head"
    )
    unfreeze: int = Field(2, ge=0, le=10_000, description="mode unfreeze: epochs until they are trained too; 0: never")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto: CUDA, else MPS, else the CPU")
    compile: bool = Field(False, description="whether torch compiles the network; pays off on a GPU")
    threads: Annotated[int, Field(ge=1, le=1024)] | Auto = Field(
        "auto", description="CPU threads of torch; auto: one per core"
    )
    checkpoint_s: float = Field(60.0, gt=0, le=1e6, description="seconds between checkpoints within an epoch")


class ColourSettings(Section):
    """What the colour learner chooses from."""

    families: tuple[Literal["svm", "mlp", "logistic", "forest", "boosting"], ...] = Field(
        ("svm", "mlp", "logistic", "forest", "boosting"), min_length=1, description="families of classifiers to try"
    )
    grid: Literal["full", "usual"] = Field(
        "full", description="full: a grid of settings for each family; usual: the one that is usually best"
    )


class TrainSettings(Section):
    """What is trained, and how."""

    learner: str = Field(
        "auto",
        description="auto: transfer, or colour where it is better; transfer: a pretrained backbone; "
        "cnn: a network from scratch; colour: 18 colour features",
    )
    backbone: str = Field(
        "efficientnet_lite0",
        description="transfer: a short name, any model of timm, or auto: efficientnet_lite2 where it earns its cost",
    )
    weights: str = Field("embedded", description="transfer: embedded, hub, none, or the path of a file")
    weights_sha256: str = Field(
        "", pattern="^([0-9a-fA-F]{64})?$", description="SHA-256 that the file of weights must have; empty: any"
    )
    mode: Literal["frozen", "unfreeze", "full"] = Field(
        "frozen", description="transfer: train the head only (frozen), the head and then all (unfreeze), or all (full)"
    )
    head: Literal["linear", "ridge", "logistic", "lda", "mlp-1024", "mlp-halving"] = Field(
        "linear",
        description="transfer: the layers behind the backbone; linear, when frozen: ridge, or logistic where it wins",
    )
    views: Annotated[Literal[1, 2, 4] | Auto, Field()] = Field(
        "auto", description="transfer, frozen: most views of each picture to learn from; auto: fewer of many pictures"
    )
    mirror: Literal["auto", "always", "never"] = Field(
        "auto", description="whether views may be mirrored; auto: unless validation finds that left and right matter"
    )
    network: Literal["small", "vgg-small"] = Field("small", description="cnn: which network")
    size: Annotated[int, Field(ge=1, le=640)] | Auto = Field(
        "auto", description="side of the square input, in pixels; auto: the learner's usual size"
    )
    fit: Literal["auto", "crop", "squash", "pad"] = Field(
        "auto",
        description="how a picture is fitted to the square; auto: chosen by validation where features are cached",
    )
    depth: Literal["auto", "top", "deep"] = Field(
        "auto", description="top: the backbone's last layer; deep: its last blocks too; auto: chosen by validation"
    )
    strengths: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] = Field(
        (0.003, 0.01, 0.03, 0.1, 0.3, 1.0), min_length=1, max_length=20,
        description="inverse regularisation strengths C to choose from by grouped cross-validation",
    )  # fmt: skip
    folds: int = Field(5, ge=2, le=20, description="folds of that cross-validation")
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | Auto = Field(
        "auto", description="random seed of the training; auto: the seed at the top of the file"
    )
    cross_validate: CrossValidate = Field(
        "auto", description="train networks once per fold; auto: where train and val are 300 pictures or fewer"
    )
    loop: LoopSettings = LoopSettings()
    colour: ColourSettings = ColourSettings()

    def fits(self) -> tuple[Fit, ...]:
        """Return the ways of fitting to try, in order of preference when equal."""
        return ("squash", "crop", "pad") if self.fit == "auto" else (self.fit,)

    def preprocessing(self, side: int) -> Preprocessing:
        """Return how pictures are fitted to a square of this side, in the first of the ways of fitting."""
        return Preprocessing(size=side, fit=self.fits()[0], resize_shorter=round(side / 0.875))

    def crosses(self, pictures: int) -> bool:
        """Return whether a network is trained once for each fold too, of so many pictures."""
        return self.cross_validate == "always" or (self.cross_validate == "auto" and pictures <= FEW_PICTURES)

    def side(self, usual: int) -> int:
        """Return the side of the square in pixels: as set, or the learner's usual one."""
        return usual if self.size == "auto" else self.size


class TuneSettings(Section):
    """How better settings of [train] are searched for."""

    preset: Literal["usual", "architectures"] = Field("usual", description="which search to run where space is empty")
    trials: Annotated[int, Field(ge=1, le=100_000)] | Auto = Field(
        "auto", description="number of trials in all; auto: the preset's number, usually 40"
    )
    minutes: float = Field(0.0, ge=0.0, le=100_000.0, description="time limit of one call, in minutes; 0: no limit")
    pruning: bool = Field(True, description="whether trials that fall behind the others are stopped early")
    space: dict[str, Any] = Field(
        default_factory=dict, description='your own search, such as "loop.lr" = {low = 1e-5, high = 1e-3, log = true}'
    )


class EvaluateSettings(Section):
    """What the report holds."""

    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation over all kept pictures")
    cross_validate: CrossValidate = Field(
        "auto", description="train networks once per fold; auto: only where features are cached"
    )
    mistakes: int = Field(24, ge=0, le=500, description="how many of the most confident mistakes to show")
    saliency: int = Field(
        4, ge=0, le=100, description="how many of these get a map of what they hang on; each costs 36 answers"
    )
    cell_pictures: int = Field(
        120, ge=0, le=2000, description="how many pictures the cells of the confusion matrices open"
    )
    growth: bool = Field(
        True, description="whether to measure what more pictures would bring, for learners that take seconds"
    )
    unknown: str = Field(
        "", max_length=1000,
        description="a folder of pictures of other things, on which declining is measured too; relative to the project",
    )  # fmt: skip
    robustness: int = Field(
        60, ge=0, le=500,
        description="test pictures that are also asked about turned, blurred and so on, each in nine ways; 0: none",
    )  # fmt: skip


class PublishSettings(Section):
    """What the guide holds and promises."""

    intended_use: str = Field(
        "", max_length=4000, description="what the guide is meant for, in its card; empty: a default"
    )
    limitations: str = Field("", max_length=4000, description="your own words on its limits, beside those measured")

    examples: int = Field(4, ge=0, le=50, description="example pictures per class")
    example_licences: tuple[str, ...] = Field(
        ("CC0-1.0", "CC-BY-4.0", "CC-BY-3.0", "CC-BY-2.0", "CC-BY-SA-4.0", "CC-BY-SA-3.0", "CC-PDM-1.0", "own"),
        description="licences under which a picture may be shown as an example",
    )
    views: Literal[1, 2, 4] = Field(
        1, description="views of a picture that an answer is averaged over; each costs a pass of the backbone"
    )
    unsure_below: float = Field(
        0.6, gt=0.0, le=0.9,
        description="probability under which a class is unsure: the answer is its parent, if that is more probable",
    )  # fmt: skip
    temper_for_shifts: bool = Field(
        False, description="make probabilities less sure, as suits pictures from elsewhere; see docs/evaluate.md"
    )
    true_accept: float = Field(0.95, gt=0.5, le=1.0, description="share of known pictures that must not be declined")
    tolerance: float = Field(
        0.001, gt=0.0, le=0.5, description="largest difference in a probability between the trained model and the guide"
    )


class BrandingSettings(Section):
    """How the guide's page looks, and who speaks in it."""

    title: str = Field("", max_length=200, description="the page's title; empty: the guide's name")
    logo: str = Field(
        "", max_length=1000,
        description="a picture of the project shown beside the title: PNG, JPEG, WebP or GIF; relative to the project",
    )  # fmt: skip
    colour: str = Field(
        "", pattern="^(#[0-9a-fA-F]{6})?$",
        description='of buttons and links, such as "#7a2e8e"; made lighter or darker where it could not be read',
    )  # fmt: skip
    about: str = Field("", max_length=4000, description="who made the guide and why; shown on the page About")
    footer: str = Field("", max_length=500, description="a line at the foot of every page, such as who runs it")


class ServeSettings(Section):
    """How a guide is served."""

    ui: Literal["page", "streamlit"] = Field(
        "page", description="the guide's own page with the API, or a page by Streamlit, without the API"
    )
    host: str = Field("127.0.0.1", description="address to listen on; others can reach any but a loopback one")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0: any free port")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="names by which it is reached, such as example.org or *.example.org, as behind a proxy"
    )
    insecure: bool = Field(False, description="whether others may use it without an API key")
    max_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] | Auto = Field(
        "auto", description="largest upload, in bytes; auto: what `add` took for the guide"
    )
    max_pixels: Annotated[int, Field(ge=1_000, le=100_000_000)] | Auto = Field(
        "auto",
        description="largest picture, width x height; auto: what `add` took for the guide; a JPEG, decoded smaller, "
        "may have four times as many",
    )
    max_held_bytes: int = Field(
        250_000_000, ge=1_000, le=1_000_000_000_000,
        description="most bytes of all uploads that are held at once; further ones are told to come back (503)",
    )  # fmt: skip
    workers: Annotated[int, Field(ge=0, le=256)] | Auto = Field(
        "auto", description="processes that classify; auto: one per core; 0: threads of the server, with less memory"
    )
    max_cpu_s: float = Field(
        5.0, ge=0.1, le=600, description="most seconds of processor time for one picture; a longer one is refused"
    )
    rate_limit: Annotated[float, Field(ge=0, le=1_000_000)] | Auto = Field(
        "auto",
        description="requests with pictures per second of one key or address, twice as many at once; 0: any number; "
        "auto: 20 where others can reach it, any number on a loopback address",
    )
    cors_origins: tuple[Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")], ...] = Field(
        (), description="other websites whose pages may use the API, such as https://example.org; none by default"
    )
    frame_origins: tuple[Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")], ...] = Field(
        (), description="other websites whose pages may show this one in a frame, such as https://huggingface.co"
    )
    root_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = Field(
        "", description="path below which a proxy shows it, such as /plants"
    )
    allow_urls: bool = Field(False, description="whether a request may name a public web address to fetch a picture")
    log: bool = Field(False, description="whether a line of JSON is written for each request, without its picture")
    browser_model: bool = Field(
        True, description="whether the page may load the model, to answer in the visitor's browser"
    )
    feedback: bool = Field(
        False, description="whether visitors may send a picture with its right name, which is then kept for `add`"
    )
    feedback_folder: str = Field("", description="where those are kept; by default, the folder feedback of the project")
    feedback_max_bytes: int = Field(
        500_000_000, ge=1_000, le=1_000_000_000_000, description="most bytes of all of them; further ones are refused"
    )


class Settings(Section):
    """Everything that `fieldguide.toml` can say."""

    schema_version: int = Field(SCHEMA_VERSION, ge=1, description="form of this file")
    name: str = Field("guide", min_length=1, max_length=200, description="what the guide is called")
    about: str = Field("", max_length=2000, description="one paragraph on what it tells apart")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="the one source of all randomness")
    classes: dict[str, ClassSettings] = Field(
        default_factory=dict, description="the names; empty: whatever labels are added"
    )
    images: ImagesSettings = ImagesSettings()
    collect: CollectSettings = CollectSettings()
    clean: CleanSettings = CleanSettings()
    review: ReviewSettings = ReviewSettings()
    split: SplitSettings = SplitSettings()
    features: FeaturesSettings = FeaturesSettings()
    train: TrainSettings = TrainSettings()
    tune: TuneSettings = TuneSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    publish: PublishSettings = PublishSettings()
    branding: BrandingSettings = BrandingSettings()
    serve: ServeSettings = ServeSettings()

    @property
    def learning_seed(self) -> int:
        """The random seed of training; another one leaves the pictures divided as they are."""
        return self.seed if self.train.seed == "auto" else self.train.seed

    @field_validator("classes", mode="before")
    @classmethod
    def _check_names(cls, value: object) -> object:
        """Hold the names of classes to the same rules as those given to `new`."""
        if isinstance(value, dict) and len(value) > 1:
            check_names(str(name) for name in value)
        elif isinstance(value, dict):
            [check_name(str(name)) for name in value]
        return value
