/** What a client says when the relay refused a target: what happened and what to do, one line. */
import { formatTarget, type RequestStatus, type Target } from '@underpass/forward';

export function adviceFor(target: Target, status: RequestStatus): string {
  const where = formatTarget(target);
  switch (status) {
    case 'not-allowed':
      return `the relay does not allow ${where}: its log says which rule would; add that to your peer's allow list there`;
    case 'name-not-found':
      return `the relay cannot resolve ${target.host}: check the name, as the relay sees it`;
    case 'connection-refused':
      return `${where} refused the relay's connection: check that something listens there, as the relay sees it`;
    case 'unreachable':
      return `the relay has no route to ${where}: check the address, as the relay sees it`;
    case 'timed-out':
      return `${where} did not answer the relay: check that it is up and that no firewall is between`;
    case 'too-many-streams':
      return `too many connections at a time for ${where}: close some, or try again`;
    case 'malformed-request':
      return `the relay could not read the request for ${where}: client and relay may differ in version`;
    default:
      return `the relay failed to connect ${where}: its log may say why`;
  }
}
