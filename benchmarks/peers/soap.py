"""node-soap, the npm package ``soap``: a SOAP server from the WSDL that callmocks serves.

It finds the operation; the function behind it looks the parsed parameters up and returns the table
as ready XML, the cheapest it can be given.
"""

import json
import re

from benchmarks.cases import Case
from benchmarks.peers.base import PROTOCOL, Peer, PeerSetup
from callmocks.onec import wsdl
from callmocks.onec.namespaces import SERVICE

_SCRIPT = """
const http = require('http'), fs = require('fs'), soap = require(process.argv[2]);
const {port, path, wsdl, expectations} = JSON.parse(fs.readFileSync(process.argv[3]));
const answers = {}, operations = {};
for (const {operation} of expectations) {
  answers[operation] = new Map();
  operations[operation] = parameters => {
    const xml = answers[operation].get(JSON.stringify(parameters));
    if (xml === undefined) throw {Fault: {faultcode: 'soap:Client', faultstring: 'unknown'}};
    return {_xml: xml};
  };
}
const ports = new Proxy({}, {get: () => operations, has: () => true});
const server = http.createServer((request, response) => response.writeHead(404).end());
const listening = soap.listen(server, {path, xml: wsdl, services: {PartnerWebAPI2: ports},
  callback: () => {
    for (const {operation, request, xml} of expectations) {
      const parameters = listening.wsdl.xmlToObject(request).Body[operation];
      answers[operation].set(JSON.stringify(parameters), xml);
    }
    server.listen(port, '127.0.0.1');
  }});
"""


def _write_command(setup: PeerSetup) -> list[str]:
    settings = {
        "port": setup.port,
        "path": setup.path_of(setup.stubs[0]),
        "wsdl": wsdl.render_wsdl(f"http://127.0.0.1:{setup.port}/").decode(),
        "expectations": [
            {
                "operation": _find(rb"<par:(\w+)>", stub.bodies[0], 1),
                "request": stub.bodies[0].decode(),
                "xml": _return_element(stub),
            }
            for stub in setup.stubs
        ],
    }
    (setup.work / "serve.js").write_text(_SCRIPT, encoding="utf-8")
    (setup.work / "served.json").write_text(json.dumps(settings), encoding="utf-8")
    soap = setup.modules / "soap"
    files = [setup.work / "serve.js", soap.resolve(), setup.work / "served.json"]
    return ["node", *map(str, files)]


def _return_element(stub: Case) -> str:
    """The element ``return`` of an answer."""
    found = _find(rb"<m:return .*</m:return>", stub.answer)
    return found.replace("<m:return ", f'<m:return xmlns:m="{SERVICE}" ', 1)


def _find(pattern: bytes, text: bytes, group: int = 0) -> str:
    found = re.search(pattern, text, re.DOTALL)
    assert found is not None
    return found[group].decode()


PEER = Peer(
    "node-soap",
    "soap",
    (PROTOCOL,),
    _write_command,
    serves=lambda case: case.provider == "onec",
    is_answer=lambda case, body: _return_element(case) in body.decode(),
)
