"""Messages of yt-dlp and ffmpeg and the reasons that they indicate: tables only, used by `stderr`. Pure.

Each line of a table is a reason and a regular expression. A message is matched in lower case, with straight
apostrophes, single spaces, and without URLs and absolute paths; the first line that matches decides. Messages
about one video come from YouTube, and yt-dlp prints them unchanged; everything else is yt-dlp's own.

A permanent reason is only in `STATED`, and only if the message names the cause: YouTube also answers "Video
unavailable" for available videos when it blocks the IP address, the account or the client.
"""

from __future__ import annotations

import re

from hdtf_async.core.failures import Reason

Table = tuple[tuple[Reason, re.Pattern[str]], ...]


def _table(lines: str) -> Table:
    """Parse a table: each line has a reason and an expression that indicates it."""
    rows = (line.split(maxsplit=1) for line in lines.strip().splitlines())
    return tuple((Reason(reason), re.compile(expression)) for reason, expression in rows)


STATED = _table(r"""
    refused             (confirm|prove|verify) (that )?you('re| are) not a (ro)?bot|currently unavailable, try again later
    refused             (requiring|complete|solve) (a|the) captcha|unusual traffic|automated queries|been rate-limited
    refused             ip is likely being blocked|(?<!429 )too many requests|resource has been exhausted
    refused             http error (402|429)
    other_place         (available|blocked|restricted|viewed|watched|played)\b.{0,60}\b(in|for|from|to) your (current )?(country|region|location|territory|area)\b
    other_place         not made this video available|in this (country|region|territory)|on this country domain|court order|legal complaint|geo[- ]?(graphic(al)? )?(restrict|block)
    other_place         blocked by (indian censorship|decision of)
    restricted          (blocked|restricted) by your (organi[sz]ation|school)|supervised (account|experience)
    restricted          restricted mode|video is restricted|blocked by websense|(workspace|network|your) administrator
    age                 confirm your age|verify your age|age[- ](restricted|verification)
    age                 inappropriate (for some users|or offensive to some)|viewer discretion|self-harm topics
    refused             content (isn't|is not) available(?! (on|for) (this|your))
    cookies_needed      members?[- ](only|first)|channel's members|premium members|join(ing)? this channel
    cookies_needed      requires? (payment|a? ?(purchase|rental|subscription))|for rent|rent or buy|buy or rent
    cookies_needed      your (youtube |google )?account\b.{0,60}\b(suspended|terminated|disabled|closed)
    private             private video|video (is|was|has been|is set to) (made )?private
    terminated          (account|channel)\b.{0,60}\b(has been|was) (terminated|suspended|closed|deleted)
    terminated          (closed|deleted) (their|its|the) (youtube )?(account|channel)
    copyright           copyright (claim|grounds|infring|takedown|complaint)|ha(s|ve) blocked it(?! from display)
    removed             (video|content|recording) (has been|was) (removed|deleted|taken down)|violates youtube|video removed
    removed             (privacy|trademark|counterfeit|defamation) (claim|complaint)
    drm                 video is drm protected
    format_unavailable  format is drm protected
    cookies_needed      \bsign in\b|signed in|to log in|log ?in (is )?required|login details are needed
    cookies_needed      only available for registered users|login with (oauth|password)
    cookies_needed      netscape format|cookies? database|failed to load cookies|could not find (firefox|local state)
    cookies_needed      containers\.json|failed to (decrypt|read from keyring)|secretstorage not available|kwallet
    cookies_needed      cookies are no longer valid|cookie consent|unscoped cookie|cookie header
    cookies_needed      does not support profiles|invalid (key|expires|length|read of|skip of)|reached end of input
    cookies_needed      no encrypted key|unexpected value: .{0,200} !=
    not_yet             \bpremieres? |will premiere|live event (will|has)|not currently live|: waiting for
    not_yet             live ?(stream|event)\b.{0,30}\b(offline|not started|will begin|ended|is over)|: (stream )?offline\b
    not_yet             is offline|\blive in \d
    not_yet             \b(still|being|we're|is) process|processing (this |the )?video|check back later|live dash videos
    disk_full           no space left on device|disk quota exceeded
    bad_option          usage: .{0,300}: error: |(yt-dlp|__main__\.py): error: |batch file .{0,200} could not be read
    bad_option          missing scheme|unsupported proxy type|invalid proxy url|proxy is not supported|socks proxy version
    bad_option          missing the host|failed to parse: |invalid ipv6 url|https proxy for this request
    bad_option          unable to handle request|unsupported url scheme|file:// urls are disabled|no request handlers
    bad_option          impersonate target|client certificate|netrc|invalid (format|filter) specification
    bad_option          invalid filter part|invalid value .{0,100} in format|only supports string values|wrong regex
    bad_option          unsupported (language code|browser|keyring|platform|field)|unknown browser|player clients have been
    bad_option          exec command|error in output template|js_runtimes format|websocket support|fixed output name
    bad_option          live-from-start is passed|cannot be partially|curl version too old
    disk_error          input/output error|stale file handle
    resource_limit      too many open files|cannot allocate memory|resource temporarily unavailable|file too large
    resource_limit      can't start new thread
    not_writable        unable to (open for writing|write data|create directory|\w+ file:)|cannot write|locking file
    not_writable        (?<!connection: \[errno 13\] )permission denied(?! \(caused by transport)|read-only file system
    not_writable        file name too long
    tool_missing        (ffmpeg|ffprobe)( and ffmpeg)? (not found|could not be found|is not installed)|no module named
    tool_missing        unsupported version of python
    tool_failed         postprocessing: |post hooks: |preprocessing: |exited with code|interrupted by user
    tool_failed         memoryerror
    tool_failed         unusual and will be skipped|initialization fragment|unable to download video\b(?! data)|command returned error code
""")  # noqa: E501 - one expression, one line
"""Errors that state their reason: about the video, the IP address, an option or this machine.

No warning overrides them.
"""

SYSTEMIC = _table(r"""
    update_needed       error running \S+ process \(returncode: -?\d+\).{0,600}(uncaught|syntaxerror|possibilities)
    javascript          error running \S+ process \(returncode
    javascript          unexpected error solving .{0,300}(oserror|errno|permissionerror|memoryerror|filenotfound|blockingio)
    javascript          out of memory: |deno has panicked|deno could not start|deno cache directory
    update_needed       no supported javascript runtime|ignoring unsupported javascript runtime
    update_needed       (challenge|signature) solving failed|(error|unexpected error) solving .{0,200}challenge
    update_needed       challenge solver|js challenge|sabr-only|missing a url
    update_needed       (gvs|player) po token|fetching po token
    update_needed       drm to all videos
    update_needed       cannot (identify player|extract signature timestamp)
    refused             got player responses for video
    player_forbidden    unable to download (api page|webpage).{0,200}http error 403
    cookies_needed      unable to download (api page|webpage).{0,200}http error (401|413|431)
    update_needed       unable to download (api page|webpage).{0,200}http error 4(?!04|07|08|16|25|29|51)\d\d
    update_needed       precondition check failed
    cookies_needed      cookies are no longer valid
""")  # noqa: E501 - one expression, one line
"""Warnings that explain why every video fails alike; they decide if the error states no reason.

The first rows distinguish a JavaScript runtime that failed from a script that failed in it.
"""

NOTHING_OFFERED = _table(r"""
    update_needed       only images are available
""")
"""Warnings that no format is offered: they decide if no failed request explains why."""

CLIENT = _table(r"""
    update_needed       playback (on|in) other|display on this (website|app)|certain sites or app
    update_needed       disabled embedding|(be|video) embedded|embedded player
    update_needed       your browser can't|update your app
    update_needed       embedding (has been |is )?disabled|(allow|available for) embedding|cannot be embedded
    update_needed       (on|for) (this|your) (app|application|device|website|platform|browser)\b
    update_needed       (?<!returned )error code:? \d|(?<!http )\berror:? 1(01|5\d)\b
    update_needed       watch (the |this )?(video )?on (the latest version of )?youtube|is no longer supported
    update_needed       precondition check failed
    update_needed       cannot (identify player|extract signature timestamp)|failed to load player
""")
"""Errors about the client that yt-dlp imitated, not about the video."""

TRANSPORT = _table(r"""
    certificate         certificate[_ ]verify[_ ]failed|ssl certificate problem
    range_refused       http error 416|conflicting range
    bad_option          407 proxy authentication|http error 407|invalid password|offered authentication methods
    bad_option          report different user-ids
    unreachable         unable to connect to proxy|proxyerror|tunnel connection failed|socks[45]error|socks server
    unreachable         by ruleset|network unreachable|host unreachable|ttl expired|address type not|command not supported
    unreachable         request rejected|bytes missing|invalid response version
    unreachable         failed to resolve|name or service not known|name resolution|nodename nor servname|getaddrinfo
    unreachable         no address associated|failed to establish a new connection|connection refused
    unreachable         no route to host|host is (down|unreachable)|network is (down|unreachable)
    unreachable         (cannot|can't) assign requested address|as source address|operation not permitted
    unreachable         could not resolve (host|proxy)|address family not supported|curl: \((5|6|7|35|97)\)
    unreachable         connect timeout|connection to \S+ timed out|wrong[_ ]version[_ ]number|renegotiation
    unreachable         handshake[_ ]failure|protocol[_ ]version|unrecognized[_ ]name
    forbidden           (video data|got error|fragment|m3u8|mpd|manifest)\b.{0,200}http error 4(?!08|25|29)\d\d
    forbidden           not found, unable to continue|unable to open fragment
    other_place         http error 451
    cookies_needed      http error (401|413|431)
    network             http error (404|408|425|3\d\d|5\d\d)|redirect loop
    player_forbidden    http error 403
    update_needed       http error 4\d\d
    network             timed out|connection (reset|aborted)|remote end closed|badstatusline|broken pipe
    network             bytes read|more expected|bytes, expected|content too short|incompleteread|error reading response
    network             eof occurred|\[ssl: |network error has occurred|needs to be re-extracted
    network             incomplete (yt initial )?data received|(?<!- )failed to parse (json|xml)|no m3u header
    network             giving up after
""")  # noqa: E501 - one expression, one line
"""Failed requests: no connection, a dropped one, or an error response."""

REASONLESS = _table(r"""
    unavailable         (video|content|recording|stream|broadcast|short)\b.{0,60}(unavailable|(not|n't|no longer) (currently )?available)
    unavailable         (video|content) does(n't| not) exist
    network             an error occurred|something went wrong|try again later|(unknown|internal|server|backend) error
    network             technical difficulties
""")  # noqa: E501 - one expression, one line
"""YouTube's errors that state no reason."""

SYMPTOMS = _table(r"""
    format_unavailable  requested format is not available
    raw_truncated       downloaded file is empty|did not get any data blocks
    update_needed       no video formats found|unable to extract|failed to extract (?!any player response)
    update_needed       could not find xml|given by extractor|extractor (error|failed to)|"id" field
""")
"""yt-dlp's own errors that only say what is missing: every warning that explains them takes precedence."""

FFMPEG = _table(r"""
    disk_full           no space left on device|disk quota exceeded
    interval_outside    output file is empty
    box_does_not_fit    invalid too big or non positive size
    resource_limit      too many open files|pthread_\w+ failed
    tool_failed         unknown encoder|option not found|unrecognized option|no such filter
    not_writable        error opening output|read-only file system
    raw_unreadable      invalid data found when processing input|moov atom not found|error opening input
    raw_unreadable      not on whitelist|matches no streams
    raw_unreadable      error submitting packet to decoder|error while decoding stream
    raw_unreadable      corrupt (?:input packet|decoded frame)
""")
"""ffmpeg's messages. An unknown encoder also ends in "error opening output", which alone would indicate the
directory."""
