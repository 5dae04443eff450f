"""What starts runs on clusters is well formed, and says what it needs."""

import json
import subprocess
from pathlib import Path

import pytest

LAUNCH = Path(__file__).parents[2] / "experiments/launch"


def jobsets():
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all((LAUNCH / "jobset.yaml").read_text()))


@pytest.mark.parametrize("number", [0, 1])
def test_the_job_templates_are_kubernetes_jobs(number):
    client = pytest.importorskip("kubernetes.client", reason="extra: cluster")
    (job,) = jobsets()[number]["spec"]["replicatedJobs"]
    text = json.dumps(job["template"])
    api = client.ApiClient()
    spec = api.deserialize(text, "V1JobTemplateSpec", "application/json").spec
    assert spec.completion_mode == "Indexed"
    assert spec.parallelism == spec.completions
    (container,) = spec.template.spec.containers
    assert container.command[:2] == ["python", "-m"]
    assert "--distributed" in container.args
    # Nothing was dropped: what comes back is what was written.
    plain = api.sanitize_for_serialization(spec)
    assert plain == job["template"]["spec"]


def test_the_mesh_has_the_devices_of_the_hosts():
    for jobset, devices in zip(jobsets(), (32, 64), strict=True):
        spec = jobset["spec"]["replicatedJobs"][0]["template"]["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        (each,) = container["resources"]["limits"].values()
        assert spec["completions"] * int(each) == devices
        (mesh,) = [a for a in container["args"] if a.startswith("--parallel.mesh=")]
        sizes = [int(part.partition(":")[2]) for part in mesh[16:].split(",")]
        assert sizes[0] * sizes[1] == devices


@pytest.mark.parametrize("script", ["slurm.sbatch", "tpu_vm.sh"])
def test_the_scripts_parse_and_ask_for_a_launcher(script):
    subprocess.run(["bash", "-n", LAUNCH / script], check=True)
    without = subprocess.run(
        ["bash", LAUNCH / script], capture_output=True, text=True, check=False
    )
    assert without.returncode == 1
    assert without.stderr.startswith("error: ")
