"""The Helm chart: rendered as Helm does it, held to the schemas of Kubernetes, and its settings to the service."""

import json
import shutil
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import trustme
import yaml
from joserfc.jwk import ECKey

from cds_service import __version__
from cds_service.config.settings import Settings, environment_name
from tests.support.serving import example, granian, run

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "plexus-cds"
KUBERNETES = ("1.30", "1.34", "1.37")
"""The oldest version that the chart allows, and newer ones."""

KEY = ECKey.generate_key("P-384", {"kid": "1"})
LEAST = {
    "publicUrl": "https://cds.hospital.example",
    "secret": {"name": "plexus-cds"},
    "clients": '[[clients]]\nissuer = "https://ehr.example.org"\njwks_file = "ehr.json"\n',
    "clientKeys": {"ehr.json": json.dumps({"keys": [KEY.as_dict(private=False)]})},
}
POSTGRESQL = {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"protocol": "TCP", "port": 5432}]}
MOST = LEAST | {
    "image": {"repository": "registry.example.org/plexus-cds", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "secret": {"name": "plexus-cds", "patientKey": True},
    "site": 'contact = "radiology@hospital.example"\n',
    "caCertificates": trustme.CA().cert_pem.bytes().decode(),
    "settings": {
        "workers": 2,
        "calls_per_minute": 1_000_000,
        "fetch_seconds": 2.5,
        "allowed_origins": ["https://a.example", "https://b.example"],
        "metrics": False,
        "store_days": 0,
    },
    "autoscaling": {"enabled": False},
    "networkPolicy": {"egressTo": [POSTGRESQL]},
    "podAnnotations": {"prometheus.io/scrape": "true"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "hospital", "operator": "Exists"}],
}
OPEN = {"publicUrl": LEAST["publicUrl"], "secret": LEAST["secret"], "settings": {"anyone_may_call": True}}
VALUES = {"least": LEAST, "most": MOST, "open": OPEN}

OF_THE_CHART = {
    *("host", "port", "public_url", "site_file", "clients_file", "ca_file", "development"),
    *("store_url", "store_url_file", "patient_key", "patient_key_file"),
}
"""Settings that the chart decides, or has values of its own for."""


def rendered(values: dict[str, Any], chart: Path = CHART) -> list[dict[str, Any]]:
    """Return the manifests of a release, and hold the values to the chart's schema."""
    with helm.Chart.load(str(chart)) as loaded:
        files = loaded.render(values, name="cds", namespace="prod")
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


def validate(manifests: list[dict[str, Any]], version: str) -> None:
    """Hold manifests to the strict schemas of a version of Kubernetes."""
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Return the only manifest of a kind."""
    (manifest,) = [manifest for manifest in manifests if manifest["kind"] == kind]
    return manifest


def pods(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the spec of each pod that the manifests lead to."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield spec["template"]["spec"]


def environment_of(manifests: list[dict[str, Any]]) -> dict[str, str]:
    """Return the environment of the service."""
    (container,) = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def mount(folder: Path, files: dict[str, str]) -> None:
    """Write a ConfigMap or Secret into a folder, or its new version, as the kubelet does: by links, the last moved."""
    folder.mkdir(exist_ok=True)
    version = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    for name, text in files.items():
        (version / name).write_text(text, encoding="utf-8")
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").rename(folder / "..data")


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_manifest_is_valid(values, version):
    """Each manifest has only fields that its kind has in this version of Kubernetes, with the right types."""
    manifests = rendered(values)
    validate(manifests, version)
    kinds = {manifest["kind"] for manifest in manifests}
    assert kinds >= {"ConfigMap", "CronJob", "Deployment", "Job", "NetworkPolicy", "PodDisruptionBudget", "Service"}
    assert ("HorizontalPodAutoscaler" in kinds) is (values is not MOST)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize(
    ("template", "right", "wrong"),
    [
        ("_helpers.tpl", "readOnlyRootFilesystem:", "readonlyRootFilesystem:"),
        ("deployment.yaml", "failureThreshold: 3", 'failureThreshold: "3"'),
        ("networkpolicy.yaml", "policyTypes:", "policyType:"),
        ("horizontalpodautoscaler.yaml", "averageUtilization:", "averageUtilisation:"),
    ],
)
def test_a_misspelled_field_is_found(template, right, wrong, version, tmp_path):
    """The check above sees a field that Kubernetes would drop or refuse."""
    chart = shutil.copytree(CHART, tmp_path / "plexus-cds")
    file = chart / "templates" / template
    text = file.read_text(encoding="utf-8")
    assert right in text
    file.write_text(text.replace(right, wrong), encoding="utf-8")
    manifests = rendered(LEAST, chart)
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(manifests, version)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "/publicUrl"),
        (LEAST | {"publicUrl": "http://cds.hospital.example"}, "/publicUrl"),
        (LEAST | {"secret": {"name": ""}}, "/secret/name"),
        (LEAST | {"replica": 3}, "additional properties 'replica' not allowed"),
        (LEAST | {"settings": {"thread": 3}}, "additional properties 'thread' not allowed"),
        (LEAST | {"settings": {"store_url": "postgresql://u:hunter2@h/d"}}, "'store_url' not allowed"),
        (LEAST | {"settings": {"workers": 65}}, "/settings/workers"),
        (LEAST | {"image": {"digest": "latest"}}, "/image/digest"),
        (LEAST | {"networkPolicy": {"ingressFrom": []}}, "/networkPolicy/ingressFrom"),
        (LEAST | {"clients": ""}, "nobody may call; write the clients' TOML into it"),
    ],
)
def test_wrong_values_are_refused(values, says):
    """A key that is not there, a value out of range, a secret in the values: each stops the release with its place."""
    with pytest.raises(helm.HelmError) as refusal:
        rendered(values)
    assert says in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_the_schema_has_all_settings():
    """values.schema.json allows each setting that an operator may choose, with the service's own type and limits."""
    with helm.Chart.load(str(CHART)) as chart:
        ours = chart.schema["properties"]["settings"]["properties"]
    kept = {"type", "items", "minimum", "maximum", "exclusiveMinimum"}
    theirs = {
        name: {key: value for key, value in field.items() if key in kept}
        for name, field in Settings.model_json_schema()["properties"].items()
        if name not in OF_THE_CHART
    }
    assert ours == theirs


def test_no_object_of_the_schema_is_open():
    """Each object of values.schema.json refuses unknown keys, but for those that have names of the operator's."""
    with helm.Chart.load(str(CHART)) as chart:
        schema = chart.schema
    found, left = [], [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            left += part.values()
            if part.get("type") == "object" and "additionalProperties" not in part:
                found.append(part)
        elif isinstance(part, list):
            left += part
    assert found == [{"type": "object"}, {"type": "object"}]  # `global` and a toleration


def test_version():
    """Chart, image and service have the same version."""
    with helm.Chart.load(str(CHART)) as chart:
        assert (chart.metadata["version"], chart.metadata["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_service_takes_the_settings(values, tmp_path):
    """The service accepts the environment and the files of the Deployment as they are mounted."""
    manifests = rendered(values)
    for manifest in manifests:
        if manifest["kind"] == "ConfigMap":
            mount(tmp_path / manifest["metadata"]["name"].removeprefix("cds-plexus-cds-"), manifest["data"])
    secret = tmp_path / "secret"
    secrets = {"store_url": "postgresql://cds@db.example/cds\n", "patient_key": "sixteen characters or more\n"}
    mount(secret, secrets)
    settings = {
        name.removeprefix("PLEXUS_CDS_").lower(): value.replace("/etc/plexus-cds", str(tmp_path)).replace(
            "/run/secrets/plexus-cds", str(secret)
        )
        for name, value in environment_of(manifests).items()
    }
    checked = run("check-config", **settings)
    assert checked.returncode == 0, checked.stderr
    for name, value in values.get("settings", {}).items():
        shown = ", ".join(value) if isinstance(value, list) else str(value).lower()
        assert f"  {environment_name(name)}: {shown} (environment)" in checked.stdout.splitlines()


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_pods_are_restricted(values):
    """Each pod meets "restricted" of the Pod Security Standards, on a read-only root, without a cluster's token."""
    found = list(pods(rendered(values)))
    assert len(found) == len({"serve", "migrate", "purge"})
    for pod in found:
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert set(pod) & {"hostNetwork", "hostPID", "hostIPC", "initContainers"} == set()
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {kind for volume in pod["volumes"] for kind in volume} <= {"name", "emptyDir", "secret", "configMap"}
        mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
        assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
        assert [name for name, mount in mounts.items() if not mount.get("readOnly")] == ["tmp"]


def test_no_variables_of_kubernetes_services():
    """Pods get no PLEXUS_CDS_SERVICE_HOST, which a Service of that name leads to and the service refuses."""
    assert {pod["enableServiceLinks"] for pod in pods(rendered(LEAST))} == {False}
    refused = run("check-config", service_host="10.0.0.1")
    assert (refused.returncode, "PLEXUS_CDS_SERVICE_HOST is not a setting" in refused.stderr) == (1, True)


def test_secrets_are_mounted_not_written():
    """No manifest is a Secret; the existing one is mounted, and its values are in no environment."""
    manifests = rendered(MOST)
    assert "Secret" not in {manifest["kind"] for manifest in manifests}
    names = {
        volume["secret"]["secretName"] for pod in pods(manifests) for volume in pod["volumes"] if "secret" in volume
    }
    assert names == {MOST["secret"]["name"]}
    assert environment_of(manifests)["PLEXUS_CDS_STORE_URL_FILE"] == "/run/secrets/plexus-cds/store_url"


def test_the_kill_switch_needs_no_restart(tmp_path):
    """A running service reads a ConfigMap that was edited: the next call has no card, and later one again."""
    site = tmp_path / "site"
    mount(site, {"site.toml": ""})
    with granian(site_file=f"{site}/site.toml", store_url=f"sqlite:///{tmp_path}/store.sqlite3") as server:
        for text, cards in (
            ("", 1),
            ("[cards.lumbosacral-plexus-mri]\noff = true\n", 0),
            ("[cards.lumbosacral-plexus-mri]\noff = false\n", 1),
        ):
            mount(site, {"site.toml": text})
            assert len(server.client.cards(example())) == cards


def test_migration_comes_first():
    """`migrate` runs before an installation and an upgrade, and needs nothing that comes with it."""
    manifests = rendered(MOST)
    job = of_kind(manifests, "Job")
    hooks = {
        manifest["metadata"]["name"]: manifest["metadata"]["annotations"]
        for manifest in manifests
        if "annotations" in manifest["metadata"]
    }
    assert {hook["helm.sh/hook"] for hook in hooks.values()} == {"pre-install,pre-upgrade"}
    assert hooks.keys() == {"cds-plexus-cds-migrate", "cds-plexus-cds-store"}
    weights = {name: int(hook["helm.sh/hook-weight"]) for name, hook in hooks.items()}
    assert weights["cds-plexus-cds-store"] < weights["cds-plexus-cds-migrate"]
    pod = job["spec"]["template"]["spec"]
    assert [container["args"] for container in pod["containers"]] == [["migrate"]]
    assert [volume for volume in pod["volumes"] if "configMap" in volume] == []


def test_a_pod_stops_after_its_calls():
    """A pod is given the time of preStop, of a call that reads a record, and more, before it is killed."""
    for seconds, grace in ((60, 75), (2.5, 18)):
        pod = of_kind(rendered(LEAST | {"settings": {"fetch_seconds": seconds}}), "Deployment")["spec"]["template"]
        assert pod["spec"]["terminationGracePeriodSeconds"] == grace


@pytest.mark.parametrize("kind", ["Service", "PodDisruptionBudget", "NetworkPolicy"])
def test_selectors_meet_the_pods_of_the_service_alone(kind):
    """Calls go to the pods of the Deployment, never to a pod that migrates."""
    manifests = rendered(LEAST)
    found = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind and not manifest["metadata"]["name"].endswith("-store")
    ]
    (spec,) = [manifest["spec"] for manifest in found]
    selector = (spec.get("podSelector") or spec["selector"]).get("matchLabels") or spec["selector"]
    labels = of_kind(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= labels.items()
    assert not selector.items() <= of_kind(manifests, "Job")["spec"]["template"]["metadata"]["labels"].items()


def test_the_documented_values():
    """The values in docs/install.md are valid, and lead to valid manifests."""
    page = (CHART.parents[2] / "docs" / "install.md").read_text(encoding="utf-8")
    block = page.partition("3. Write `values.yaml`:\n\n")[2].partition("\n\n4. ")[0]
    values = yaml.safe_load(textwrap.dedent(block))
    values["image"]["digest"] = values["image"]["digest"].replace("...", "0" * 64)
    manifests = rendered(values)
    validate(manifests, KUBERNETES[0])
    assert environment_of(manifests)["PLEXUS_CDS_PUBLIC_URL"] == values["publicUrl"]
