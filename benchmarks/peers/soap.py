"""node-soap, the npm package ``soap``: a SOAP server from the WSDL that callmocks serves.

Its operation returns the table as ready XML, the cheapest it can be given.
"""

import json
import re

from benchmarks.cases import Case
from benchmarks.peers.base import Peer, PeerSetup
from callmocks.onec import wsdl
from callmocks.onec.namespaces import SERVICE

_SCRIPT = """
const http = require('http'), fs = require('fs'), soap = require(process.argv[2]);
const {port, wsdl, services} = JSON.parse(fs.readFileSync(process.argv[3]));
const server = http.createServer((request, response) => response.writeHead(404).end());
server.listen(port, '127.0.0.1', () => {
  for (const [path, xml] of Object.entries(services)) {
    const answer = () => ({_xml: xml});
    const operations = {GetHistoryOfServiceCalls: answer};
    const ports = new Proxy({}, {get: () => operations, has: () => true});
    soap.listen(server, {path, xml: wsdl, services: {PartnerWebAPI2: ports}});
  }
});
"""


def _write_command(setup: PeerSetup) -> list[str]:
    served = {
        f"/{stub.name}": _return_element(stub.answer) for stub in setup.stubs if _serves_case(stub)
    }
    settings = {
        "port": setup.port,
        "wsdl": wsdl.render_wsdl(f"http://127.0.0.1:{setup.port}/").decode(),
        "services": served,
    }
    (setup.work / "serve.js").write_text(_SCRIPT, encoding="utf-8")
    (setup.work / "served.json").write_text(json.dumps(settings), encoding="utf-8")
    soap = setup.modules / "soap"
    files = [setup.work / "serve.js", soap.resolve(), setup.work / "served.json"]
    return ["node", *map(str, files)]


def _return_element(answer: bytes) -> str:
    """The element ``return`` of an answer."""
    found = re.search(rb"<m:return .*</m:return>", answer, re.DOTALL)
    assert found is not None
    declared = f'<m:return xmlns:m="{SERVICE}" '
    return found[0].decode().replace("<m:return ", declared, 1)


def _serves_case(case: Case) -> bool:
    return case.provider == "onec"


PEER = Peer("node-soap", "soap", False, _write_command, _serves_case)
