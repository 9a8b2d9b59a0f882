/** Explains to the user, in one line, why the relay refused a target and what to do. */
import {
  formatRelayPlace,
  formatTarget,
  isUnix,
  LOWEST_COMMON_PORT,
  listenRuleFor,
  type RelayPlace,
  type RequestStatus,
  type Target,
  type TunnelFailure,
} from '@underpass/forward';

export function adviceFor(target: Target, status: RequestStatus): string {
  const where = formatTarget(target);
  if (isUnix(target) && status === 'unreachable') {
    return `the relay may not open ${where}: check the socket's permissions on the relay's machine`;
  }
  switch (status) {
    case 'not-allowed':
      return `the relay does not allow ${where}: its log names the missing rule, and underpass allow NAME RULE adds it there`;
    case 'name-not-found':
      return isUnix(target)
        ? `there is no ${where} on the relay's machine: check the path`
        : `the relay cannot resolve ${target.host}: check the name and the relay's DNS`;
    case 'connection-refused':
      return `${where} refused the relay's connection: check that a program listens there, as seen from the relay`;
    case 'unreachable':
      return `the relay has no route to ${where}: check the address, as seen from the relay`;
    case 'timed-out':
      return `${where} did not answer the relay: check that it is up and that no firewall blocks it`;
    case 'too-many-streams':
      return `too many connections at once for ${where}: close some, or try again`;
    case 'malformed-request':
      return `the relay could not read the request for ${where}: check that client and relay have the same version`;
    case 'address-in-use':
      return `the relay could not listen for ${where}: another program there uses that port`;
    case 'invite-used':
    case 'invite-expired':
      return `the relay answered the request for ${where} with ${status}, which makes no sense: check that client and relay have the same version`;
    default:
      return `the relay failed to connect to ${where}: its log may say why`;
  }
}

/** For a connection that the relay has permitted, and does not permit any more. */
export function forbiddenAdvice(target: Target): string {
  return `the relay no longer allows ${formatTarget(target)}, so the connection was reset: its rules have changed`;
}

/** The same for every way in which a connection through the tunnel can fail. */
export function failureAdvice(target: Target, failure: TunnelFailure): string {
  const where = formatTarget(target);
  switch (failure) {
    case 'relay-not-reached':
      return `the relay was not reached in time for ${where}: check that the relay runs and knows this client's key, or let underpass doctor find the cause`;
    case 'connection-lost':
      return `the connection to ${where} was lost with the connection to the relay: connect again`;
    case 'reset':
      return `${where} reset the connection`;
    case 'not-read':
      return `${where} closed the connection before it had read everything`;
    default:
      return adviceFor(target, failure);
  }
}

/** The same for a visitor whom this program serves itself. */
export function visitorAdvice(from: string, failure: TunnelFailure): string {
  switch (failure) {
    case 'connection-lost':
      return `the visitor from ${from} was lost with the connection to the relay`;
    case 'not-read':
      return `the visitor from ${from} closed the connection before it had read everything`;
    default:
      return `the visitor from ${from} reset the connection`;
  }
}

/** Explains why the relay does not listen for a reverse forward.
 *  @param wasListening  whether it did before */
export function listenAdvice(place: RelayPlace, status: RequestStatus, wasListening: boolean): string {
  const where = formatRelayPlace(place.bind, place.port);
  switch (status) {
    case 'not-allowed': {
      const rule = listenRuleFor(place);
      const hint =
        place.port > 0 && place.port < LOWEST_COMMON_PORT
          ? `; its log says whether the rule or the system's permission for ports below ${LOWEST_COMMON_PORT} is missing`
          : '';
      const what = wasListening ? 'no longer lets' : 'does not let';
      return `the relay ${what} this client listen on ${where}: run there: underpass allow NAME --listen "${rule}"${hint}`;
    }
    case 'address-in-use':
      return `the relay cannot listen on ${where}, which is in use there: choose another port, or see its log for who has it`;
    case 'unreachable':
      return `the relay cannot listen on ${where}: ${place.bind} is not an address of its machine`;
    case 'too-many-streams':
      return `the relay permits no more listeners for this client, so not on ${where}: end some`;
    case 'malformed-request':
      return `the relay could not read the request to listen on ${where}: check that it has the same version`;
    default:
      return `the relay failed to listen on ${where}: its log may say why`;
  }
}
