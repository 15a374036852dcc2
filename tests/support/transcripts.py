"""Output of yt-dlp, by the reason that it means."""

from __future__ import annotations

from hdtf_async.core.failures import Reason

HINT = (
    "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/"
    "wiki/FAQ#how-do-i-pass-cookies-to-yt-dlp  for how to manually pass cookies. Also see  https://github.com/"
    "yt-dlp/yt-dlp/wiki/Extractors#exporting-youtube-cookies  for tips on effectively exporting YouTube "
    "cookies"
)
"""yt-dlp's suffix of all messages that ask the user to sign in (extractor/youtube/_base.py)."""
FROM_YOUTUBE = """== refused
ERROR: [youtube] CPCoMyuBRM0: Sign in to confirm you’re not a bot. {hint}
== refused
ERROR: [youtube] CPCoMyuBRM0: Sign in to confirm you're not a bot. {hint}
== refused
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. YouTube is requiring a captcha challenge before playback
== refused
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This content isn’t available, try again later. The current session has been rate-limited by YouTube for up to an hour. It is recommended to use `-t sleep` to add a delay between video requests to avoid exceeding the rate limit. For more information, refer to  https://github.com/yt-dlp/yt-dlp/wiki/Extractors#this-content-isnt-available-try-again-later
== refused
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This content isn't available, try again later.
== age
ERROR: [youtube] CPCoMyuBRM0: Sign in to confirm your age. This video may be inappropriate for some users. {hint}
== age
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is age-restricted and only available on YouTube. Learn more. Watch on YouTube
== cookies_needed
ERROR: [youtube] CPCoMyuBRM0: Join this channel to get access to members-only content like this video, and other exclusive perks.
== cookies_needed
ERROR: [youtube] CPCoMyuBRM0: Please sign in. {hint}
== private
ERROR: [youtube] CPCoMyuBRM0: Private video. Sign in if you've been granted access to this video. {hint}
== private
ERROR: Private video
Sign in if you've been granted access to this video
== private
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is private
== removed
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video has been removed by the uploader
== removed
ERROR: [youtube] CPCoMyuBRM0: This video has been removed for violating YouTube's Terms of Service
== terminated
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is no longer available because the YouTube account associated with this video has been terminated.
== terminated
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is no longer available because the uploader has closed their YouTube account.
== copyright
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is no longer available due to a copyright claim by Sarah Ann Kennedy
== copyright
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video contains content from UMG, who has blocked it on copyright grounds
== other_place
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video contains content from SME, who has blocked it in your country on copyright grounds
== other_place
ERROR: [youtube] CPCoMyuBRM0: The uploader has not made this video available in your country
This video is available in Germany.
You might want to use a VPN or a proxy server (with --proxy) to workaround.
== unavailable
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is unavailable
== unavailable
ERROR: [youtube] CPCoMyuBRM0: This video is not available
== unavailable
ERROR: [youtube] CPCoMyuBRM0: Video unavailable
== not_yet
ERROR: [youtube] CPCoMyuBRM0: Premieres in 3 hours
== not_yet
ERROR: [youtube] CPCoMyuBRM0: This live event will begin in 2 days.
== not_yet
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. We're processing this video. Check back later.
== refused
ERROR: [youtube] CPCoMyuBRM0: Sign in to confirm that you’re not a bot. {hint}
== refused
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This content isn’t available.
== refused
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This content isn't available.
== refused
ERROR: [youtube] CPCoMyuBRM0: This content isn’t available, try again later.
== refused
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This content isn't available, try again later. Your account has been rate-limited by YouTube for up to an hour. It is recommended to use `-t sleep` to add a delay between video requests to avoid exceeding the rate limit. For more information, refer to  https://github.com/yt-dlp/yt-dlp/wiki/Extractors#this-content-isnt-available-try-again-later
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. Playback on other websites has been disabled by the video owner
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Watch this video on YouTube. Playback on other websites has been disabled by the video owner.
== update_needed
ERROR: [youtube] CPCoMyuBRM0: This video is unavailable. Error code: 152 - 18
== update_needed
ERROR: [youtube] CPCoMyuBRM0: This video is unavailable. Error code: 150
== update_needed
ERROR: [youtube] CPCoMyuBRM0: This video is unavailable. Error code: 15
== update_needed
ERROR: [youtube] CPCoMyuBRM0: This video is unavailable. Error code: 0
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Watch video on YouTube. Error 153
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Error 153. Video player configuration error
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. Watch on YouTube
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Embedding disabled by request
== update_needed
ERROR: [youtube] CPCoMyuBRM0: The following content is not available on this app.. Watch on the latest version of YouTube.
== update_needed
ERROR: [youtube] CPCoMyuBRM0: The following content is not available on this app
== update_needed
ERROR: [youtube] CPCoMyuBRM0: This video contains content from Mosfilm, who has blocked it from display on this website or application. Watch on YouTube
== unknown
ERROR: [youtube] CPCoMyuBRM0: The page needs to be reloaded.. The page needs to be reloaded.
== restricted
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is restricted. Please check the Google Workspace administrator and/or the network administrator restrictions.
== restricted
ERROR: [youtube] CPCoMyuBRM0: This video is restricted. Try signing in with a Google Apps account. {hint}
== restricted
ERROR: [youtube] CPCoMyuBRM0: This video is unavailable with Restricted Mode enabled. To view this video, you will need to disable Restricted Mode.
== age
ERROR: [youtube] CPCoMyuBRM0: The following content has been identified by the YouTube community as inappropriate or offensive to some audiences. Viewer discretion is advised.
== cookies_needed
ERROR: [youtube] CPCoMyuBRM0: This video is available to this channel's members on level: Private video of the captcha club! (or any higher level). Join this channel to get access to members-only content and other exclusive perks.
== cookies_needed
ERROR: [youtube] CPCoMyuBRM0: Join this channel from your computer or Android app to get access to members-only content like this video.
== cookies_needed
ERROR: [youtube] CPCoMyuBRM0: This video is only available to Music Premium members
== cookies_needed
ERROR: [youtube] CPCoMyuBRM0: This video requires payment to watch.
== cookies_needed
ERROR: [youtube] CPCoMyuBRM0: Your account has been terminated. {hint}
== refused
WARNING: [youtube] YouTube said: ERROR - Resource has been exhausted (e.g. check quota).
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response
== private
ERROR: [youtube] CPCoMyuBRM0: This is a private video. Please sign in to verify that you may see it. {hint}
== removed
ERROR: [youtube] CPCoMyuBRM0: This video has been removed by the user
== removed
ERROR: [youtube] CPCoMyuBRM0: This video has been removed because it violates YouTube's Community Guidelines.
== removed
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is no longer available due to a trademark claim by a third party.
== removed
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is no longer available due to a privacy claim by a third party
== terminated
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is no longer available because the YouTube account associated with this video has been terminated due to multiple third-party notifications of copyright infringement.
== copyright
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video contains content from UMG and the captcha company, one or more of whom have blocked it on copyright grounds
== other_place
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video contains content from Paramount Global (CBS), who has blocked it in your country on copyright grounds
== other_place
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is not available in your country
== other_place
ERROR: [youtube] CPCoMyuBRM0: This content is not available on this country domain due to a legal complaint.
== other_place
ERROR: [youtube] CPCoMyuBRM0: The uploader has not made this video available.
== unavailable
ERROR: [youtube] CPCoMyuBRM0: This video isn't available anymore
== unavailable
ERROR: [youtube] CPCoMyuBRM0: This video isn’t available anymore.
== unavailable
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is no longer available
== unavailable
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is currently unavailable.
== unavailable
ERROR: [youtube] CPCoMyuBRM0: This live stream recording is not available.
== unavailable
ERROR: [youtube] CPCoMyuBRM0: The video you have requested is not available.
== unavailable
ERROR: [youtube] CPCoMyuBRM0: This video does not exist.
== unavailable
ERROR: Video unavailable
This video is not available
== not_yet
ERROR: [youtube] CPCoMyuBRM0: This live event has ended.
== not_yet
ERROR: [youtube] CPCoMyuBRM0: This live event will begin in a few moments.
== not_yet
ERROR: [youtube] CPCoMyuBRM0: Premiere will begin shortly
== not_yet
ERROR: [youtube] CPCoMyuBRM0: Waiting for NASA
== not_yet
ERROR: [youtube] CPCoMyuBRM0: Offline.
== not_yet
ERROR: [youtube] CPCoMyuBRM0: This live stream is offline.
== network
ERROR: [youtube] CPCoMyuBRM0: An error occurred. Please try again later.
== network
ERROR: [youtube] CPCoMyuBRM0: YouTube said: Unknown error.
== network
ERROR: [youtube] CPCoMyuBRM0: We're experiencing technical difficulties.
== restricted
ERROR: [youtube] CPCoMyuBRM0: This video is blocked by your organization
== restricted
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is unavailable in supervised accounts
== refused
ERROR: [youtube] CPCoMyuBRM0: Please sign in to prove that you are not a robot. {hint}
== refused
ERROR: [youtube] CPCoMyuBRM0: This content is currently unavailable, try again later.
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. The owner of this video has disabled embedding
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Playback in other apps has been disabled by the video owner
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Your browser can't play this video.
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Please update your app to watch this video
== unreachable
ERROR: [youtube] CPCoMyuBRM0: Unable to download API page: Failed to perform, curl: (6) Could not resolve host: www.youtube.com. See https://curl.se/libcurl/c/libcurl-errors.html first for more details.
== unreachable
ERROR: [youtube] CPCoMyuBRM0: Unable to download API page: [Errno 49] Can't assign requested address (caused by TransportError("[Errno 49] Can't assign requested address"))
== unreachable
ERROR: [youtube] CPCoMyuBRM0: Unable to download API page: [Errno 97] Address family not supported by protocol
== certificate
ERROR: [youtube] CPCoMyuBRM0: Unable to download API page: Failed to perform, curl: (60) SSL certificate problem: unable to get local issuer certificate.
"""  # noqa: E501, RUF001 - quoted as printed
"""YouTube's own reasons, as extractor/youtube/_video.py passes them on."""
FROM_YT_DLP = """== drm
ERROR: [youtube] CPCoMyuBRM0: This video is DRM protected
== format_unavailable
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
== update_needed
ERROR: [youtube] CPCoMyuBRM0: No video formats found!; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
== unknown
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
== refused
ERROR: [youtube] CPCoMyuBRM0: All player responses are invalid. Your IP is likely being blocked by Youtube
== unreachable
ERROR: [youtube] CPCoMyuBRM0: Unable to download API page: HTTPSConnection(host='www.youtube.com', port=443): Failed to resolve 'www.youtube.com' ([Errno -2] Name or service not known) (caused by TransportError("HTTPSConnection(host='www.youtube.com', port=443): Failed to resolve 'www.youtube.com' ([Errno -2] Name or service not known)"))
== refused
ERROR: [generic] a: Unable to download webpage: HTTP Error 429: Too Many Requests (caused by <HTTPError 429: Too Many Requests>)
== network
ERROR: [generic] a: Unable to download webpage: HTTP Error 503: Service Unavailable (caused by <HTTPError 503: Service Unavailable>)
== unreachable
ERROR: [generic] a: Unable to download webpage: HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new connection: [Errno 111] Connection refused
== network
ERROR: {cr}[download] Got error: 500 bytes read, 500 more expected
== network
ERROR: {cr}[download] Got error: The read operation timed out. Giving up after 5 retries
== forbidden
ERROR: unable to download video data: HTTP Error 403: Forbidden
== forbidden
ERROR: fragment 7 not found, unable to continue
== range_refused
ERROR: unable to download video data: HTTP Error 416: Requested range not satisfiable
== certificate
ERROR: [youtube] CPCoMyuBRM0: Unable to download API page: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1006)
== disk_full
ERROR: unable to open for writing: [Errno 28] No space left on device: '/d/RD_Radio1.part'
== disk_full

ERROR: unable to write data: [Errno 28] No space left on device
== not_writable
ERROR: unable to open for writing: [Errno 13] Permission denied: '/d/RD_Radio1.mp4.part'
== not_writable
ERROR: Unable to create directory: [Errno 2] No such file or directory: '/proc/nope'
== cookies_needed
WARNING: skipping cookie file entry due to invalid length 1: 'hello\\n'
ERROR: 'c.txt' does not look like a Netscape format cookies file
== cookies_needed
ERROR: Cookies file must be Netscape formatted, not JSON. See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ#how-do-i-pass-cookies-to-yt-dlp
== cookies_needed
ERROR: could not find firefox cookies database in '/root/.mozilla/firefox'
== tool_missing
ERROR: Postprocessing: ffprobe and ffmpeg not found. Please install or provide the path using --ffmpeg-location
== tool_failed
ERROR: Postprocessing: Conversion failed!
== bad_option

Usage: yt-dlp [OPTIONS] URL [URL...]

yt-dlp: error: no such option: --bogus
== not_writable
ERROR: unable to open for writing: [Errno 36] File name too long: 'x.part'
== not_writable
ERROR: [Errno 30] Read-only file system: '/d/RD_Radio1.part'
== disk_error
ERROR: Unable to download video: [Errno 5] Input/output error
== resource_limit
ERROR: [Errno 24] Too many open files
== resource_limit
ERROR: can't start new thread
== tool_failed
ERROR: MemoryError()
== network
ERROR: {cr}[download] Got error: ContentDecodingError. Giving up after 5 retries
== bad_option

Usage: ytdlp-nightly [OPTIONS] URL [URL...]

ytdlp-nightly: error: option --sleep-interval: invalid floating-point value: 'x'
== bad_option
Traceback (most recent call last):
  File "/a/captcha/__main__.py", line 17, in <module>
    yt_dlp.main()
  File "/a/captcha/YoutubeDL.py", line 769, in __init__
    raise YoutubeDLError(f'Private video')
yt_dlp.utils.YoutubeDLError: Impersonate target "chrome" is not available. Use --list-impersonate-targets to see available targets. You may be missing dependencies required to support this target.
== bad_option
ERROR: Unable to handle request: Unsupported proxy type: "foo" (requests, urllib), Unsupported url scheme: "https" (websockets)
== bad_option
ERROR: Unable to handle request: Proxy "127.0.0.1:8080" missing scheme (requests, urllib)
== bad_option
ERROR: Failed to parse: '127.0.0.1:notaport' is not a valid host or port
== network
ERROR: A network error has occurred. (caused by <IncompleteRead: 3 bytes read, 4997 more expected>)
== network
ERROR: [youtube] CPCoMyuBRM0: Incomplete data received
== raw_truncated
ERROR: The downloaded file is empty
== cookies_needed
ERROR: Could not copy Chrome cookie database. See  https://github.com/yt-dlp/yt-dlp/issues/7271  for more info
== cookies_needed
ERROR: [youtube] CPCoMyuBRM0: Unable to download API page: HTTP Error 413: Request Entity Too Large (caused by <HTTPError 413: Request Entity Too Large>)
== update_needed
ERROR: [youtube] CPCoMyuBRM0: Cannot identify player 'https://www.youtube.com/s/player/captcha/base.js'; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
== format_unavailable
ERROR: This format is DRM protected; Try selecting another format with --format or add --check-formats to automatically fallback to the next best format
"""  # noqa: E501 - quoted as printed
"""yt-dlp's own messages, as printed against a loopback server or without a network."""
TOGETHER = """== refused
WARNING: [youtube] CPCoMyuBRM0: Unable to download API page: HTTP Error 429: Too Many Requests
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
== unreachable
WARNING: [youtube] Unable to download API page: HTTPSConnection(host='www.youtube.com', port=443): Failed to resolve 'www.youtube.com' ([Errno -2] Name or service not known) (caused by TransportError("HTTPSConnection(host='www.youtube.com', port=443): Failed to resolve 'www.youtube.com' ([Errno -2] Name or service not known)")). Retrying (1/2)...
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
== update_needed
WARNING: [youtube] CPCoMyuBRM0: n challenge solving failed: Some formats may be missing. Ensure you have a supported JavaScript runtime and challenge solver script distribution installed. Review any warnings presented before this message. For more details, refer to  https://github.com/yt-dlp/yt-dlp/wiki/EJS
WARNING: Only images are available for download. use --list-formats to see them
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
== update_needed
WARNING: [youtube] No supported JavaScript runtime could be found. Only deno is enabled by default; to use another runtime add  --js-runtimes RUNTIME[:PATH]  to your command/config. YouTube extraction without a JS runtime has been deprecated, and some formats may be missing. See  https://github.com/yt-dlp/yt-dlp/wiki/EJS  for details on installing one
ERROR: [youtube] CPCoMyuBRM0: No video formats found!; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
== update_needed
WARNING: [youtube] CPCoMyuBRM0: mweb client https formats require a GVS PO Token which was not provided. They will be skipped as they may yield HTTP Error 403. You can manually pass a GVS PO Token for this client with --extractor-args "youtube:po_token=mweb.gvs+XXX". For more information, refer to  https://github.com/yt-dlp/yt-dlp/wiki/PO-Token-Guide
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
== private
WARNING: [youtube] No supported JavaScript runtime could be found. Only deno is enabled by default; to use another runtime add  --js-runtimes RUNTIME[:PATH]  to your command/config. YouTube extraction without a JS runtime has been deprecated, and some formats may be missing. See  https://github.com/yt-dlp/yt-dlp/wiki/EJS  for details on installing one
WARNING: [youtube] CPCoMyuBRM0: n challenge solving failed: Some formats may be missing. Ensure you have a supported JavaScript runtime and challenge solver script distribution installed. Review any warnings presented before this message. For more details, refer to  https://github.com/yt-dlp/yt-dlp/wiki/EJS
ERROR: [youtube] CPCoMyuBRM0: Private video. {hint}
== network
WARNING: [youtube] No supported JavaScript runtime could be found. Only deno is enabled by default; to use another runtime add  --js-runtimes RUNTIME[:PATH]  to your command/config. YouTube extraction without a JS runtime has been deprecated, and some formats may be missing. See  https://github.com/yt-dlp/yt-dlp/wiki/EJS  for details on installing one
ERROR: {cr}[download] Got error: 500 bytes read, 500 more expected
== forbidden
WARNING: [youtube] CPCoMyuBRM0: mweb client https formats require a GVS PO Token which was not provided. They will be skipped as they may yield HTTP Error 403. You can manually pass a GVS PO Token for this client with --extractor-args "youtube:po_token=mweb.gvs+XXX". For more information, refer to  https://github.com/yt-dlp/yt-dlp/wiki/PO-Token-Guide
ERROR: unable to download video data: HTTP Error 403: Forbidden
== disk_full
[download] Got error: The read operation timed out. Retrying (1/5)...
ERROR: unable to write data: [Errno 28] No space left on device
== update_needed
WARNING: [youtube] CPCoMyuBRM0: Some tv client https formats have been skipped as they are DRM protected. The current session may have an experiment that applies DRM to all videos on the tv client. See  https://github.com/yt-dlp/yt-dlp/issues/12563  for more details.
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
== network
[download] Got error: HTTP Error 404: Not Found. Retrying fragment 3 (1/10)...
ERROR: {cr}[download] Got error: The read operation timed out. Giving up after 10 retries
== update_needed
WARNING: [youtube] No supported JavaScript runtime could be found. Only deno is enabled by default; to use another runtime add  --js-runtimes RUNTIME[:PATH]  to your command/config. YouTube extraction without a JS runtime has been deprecated, and some formats may be missing. See  https://github.com/yt-dlp/yt-dlp/wiki/EJS  for details on installing one
ERROR: [youtube] CPCoMyuBRM0: This video is not available
== update_needed
WARNING: [youtube] CPCoMyuBRM0: n challenge solving failed: Some formats may be missing. Ensure you have a supported JavaScript runtime and challenge solver script distribution installed. Review any warnings presented before this message. For more details, refer to  https://github.com/yt-dlp/yt-dlp/wiki/EJS
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is unavailable
== update_needed
WARNING: [youtube] CPCoMyuBRM0: Some tv client https formats have been skipped as they are DRM protected. The current session may have an experiment that applies DRM to all videos on the tv client. See  https://github.com/yt-dlp/yt-dlp/issues/12563  for more details.
ERROR: [youtube] CPCoMyuBRM0: This video is DRM protected
== update_needed
WARNING: [youtube] CPCoMyuBRM0: Some tv_samsung client https formats have been skipped as they are DRM protected.
ERROR: [youtube] CPCoMyuBRM0: This video is DRM protected
== drm
WARNING: [youtube] CPCoMyuBRM0: Some tv client https formats have been skipped as they are DRM protected. The current session may have an experiment that applies DRM to all videos on the tv client. See  https://github.com/yt-dlp/yt-dlp/issues/12563  for more details.
WARNING: [youtube] CPCoMyuBRM0: Some visionos client https formats have been skipped as they are DRM protected.
ERROR: [youtube] CPCoMyuBRM0: This video is DRM protected
== private
WARNING: [youtube] CPCoMyuBRM0: Unable to download API page: HTTP Error 429: Too Many Requests
ERROR: [youtube] CPCoMyuBRM0: Private video. {hint}
== refused
WARNING: [youtube] CPCoMyuBRM0: Unable to download API page: HTTP Error 429: Too Many Requests
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is unavailable
== refused
WARNING: [youtube] Skipping player responses from web clients (got player responses for video "aQvGIIdgFDM" instead of "CPCoMyuBRM0")
ERROR: [youtube] CPCoMyuBRM0: Video unavailable
== player_forbidden
WARNING: [youtube] CPCoMyuBRM0: Unable to download API page: HTTP Error 403: Forbidden (caused by <HTTPError 403: Forbidden>)
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response
== update_needed
WARNING: [youtube] YouTube said: ERROR - Precondition check failed.
WARNING: [youtube] HTTP Error 400: Bad Request. Retrying (1/2)...
WARNING: [youtube] CPCoMyuBRM0: Unable to download API page: HTTP Error 400: Bad Request (caused by <HTTPError 400: Bad Request>)
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response
== cookies_needed
WARNING: [youtube] The provided YouTube account cookies are no longer valid. They have likely been rotated in the browser as a security measure. For tips on how to effectively export YouTube cookies, refer to  https://github.com/yt-dlp/yt-dlp/wiki/Extractors#exporting-youtube-cookies .
ERROR: [youtube] CPCoMyuBRM0: This video is not available
== unavailable
WARNING: [youtube] Read timed out. Retrying (1/2)...
WARNING: [youtube] CPCoMyuBRM0: Unable to download webpage: HTTPSConnectionPool(host='www.youtube.com', port=443): Read timed out. (read timeout=20.0)
ERROR: [youtube] CPCoMyuBRM0: This video is not available
== unavailable
WARNING: Your yt-dlp version (2026.08.19) is older than 90 days!
         It is strongly recommended to always use the latest version.
         You installed yt-dlp with pip or using the wheel from PyPi; Use that to update.
ERROR: [youtube] CPCoMyuBRM0: This video is not available
== unavailable
WARNING: Writing cache to '/home/a/.cache/yt-dlp/youtube-nsig/x.json' failed: OSError: [Errno 28] No space left on device
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is unavailable
== format_unavailable
WARNING: Writing cache to '/home/a/.cache/yt-dlp/youtube-nsig/x.json' failed: OSError: [Errno 28] No space left on device
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
== unavailable
WARNING: ffmpeg not found. The downloaded format may not be the best available. Installing ffmpeg is strongly recommended: https://github.com/yt-dlp/yt-dlp#dependencies
ERROR: [youtube] CPCoMyuBRM0: Video unavailable
== javascript
WARNING: [youtube] [jsc] Error solving n challenge request using "deno" provider: Error running deno process (returncode: -5): #
#
# Fatal process out of memory: Oilpan: CagedHeap reservation.
#
==== C stack trace ===============================
    /venv/bin/deno(+0x28ad64e) [0x558a2a4d664e].
         input = NChallengeInput(player_url='https://www.youtube.com/s/player/4e51e895/player_ias.vflset/en_US/base.js', challenges=['xyShaynE208SftgGF'])
         Please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
WARNING: [youtube] CPCoMyuBRM0: n challenge solving failed: Some formats may be missing. Ensure you have a supported JavaScript runtime and challenge solver script distribution installed. Review any warnings presented before this message. For more details, refer to  https://github.com/yt-dlp/yt-dlp/wiki/EJS
WARNING: Only images are available for download. use --list-formats to see them
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
== javascript
WARNING: [youtube] [jsc] Error solving 2 challenge requests using "deno" provider: Error running deno process (returncode: 1): error: Could not initialize cache database '/home/a/.cache/deno/dep_analysis_cache_v2': No space left on device (os error 28).
         requests = [...]
WARNING: [youtube] CPCoMyuBRM0: n challenge solving failed: Some formats may be missing.
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. Playback on other websites has been disabled by the video owner
== javascript
WARNING: [youtube] [jsc] Error solving n challenge request using "deno" provider: Error running deno process (returncode: 1): ============================================================
Deno could not start: unable to create worker threads.
         input = NChallengeInput()
WARNING: [youtube] CPCoMyuBRM0: n challenge solving failed: Some formats may be missing.
ERROR: [youtube] CPCoMyuBRM0: This video is not available
== javascript
WARNING: [youtube] [jsc] Error solving n challenge request using "deno" provider: Error running deno process (returncode: 1): error: Could not resolve global Deno cache directory. Please make sure that either the DENO_DIR environment variable is set or the cache directory is available..
ERROR: [youtube] CPCoMyuBRM0: No video formats found!
== javascript
ERROR: [youtube] [jsc] Unexpected error solving 1 challenge request(s) using "deno" provider: OSError(12, 'Cannot allocate memory')
         requests = [JsChallengeRequest(type=<JsChallengeType.N: 'n'>)]
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
== private
WARNING: [youtube] [jsc] Error solving n challenge request using "deno" provider: Error running deno process (returncode: -9)
ERROR: [youtube] CPCoMyuBRM0: Private video. {hint}
== update_needed
WARNING: [youtube] [jsc] Error solving n challenge request using "deno" provider: Error running deno process (returncode: 1): error: Uncaught (in promise) "found 0 sig function possibilities".
         input = NChallengeInput(player_url='https://www.youtube.com/s/player/4e51e895/player_ias.vflset/en_US/base.js', challenges=['xyShaynE208SftgGF'])
WARNING: [youtube] CPCoMyuBRM0: n challenge solving failed: Some formats may be missing.
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
== unreachable
ERROR: [requests] Unexpected error: EOFError: 2 bytes missing; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue template. Confirm you are on the latest version using  yt-dlp -U
WARNING: [youtube] CPCoMyuBRM0: Unable to download API page: 2 bytes missing (caused by TransportError('2 bytes missing'))
ERROR: [youtube] CPCoMyuBRM0: Failed to extract any player response
== unavailable
[debug] Command-line config: ['--proxy', 'http://captcha:3128', '-v']
[youtube] CPCoMyuBRM0: This video is age-restricted; some formats may be missing without authentication.
[debug] [youtube] CPCoMyuBRM0: web client https formats require a GVS PO Token which was not provided.
ERROR: [youtube] CPCoMyuBRM0: Video unavailable. This video is unavailable
  File "/venv/lib/yt_dlp/extractor/youtube/_video.py", line 4061, in _real_extract
    self.raise_geo_restricted('Private video in your country', countries)
== drm
WARNING: [youtube] Some visionos client https formats have been skipped as they are DRM protected.
WARNING: [youtube] CPCoMyuBRM0: This video is drm protected and only images are available for download. use --list-formats to see them
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
== update_needed
WARNING: [youtube] Some tv_samsung client https formats have been skipped as they are DRM protected.
WARNING: [youtube] CPCoMyuBRM0: This video is drm protected and only images are available for download. use --list-formats to see them
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
== player_forbidden
WARNING: [youtube] CPCoMyuBRM0: Unable to download API page: HTTP Error 403: Forbidden (caused by <HTTPError 403: Forbidden>)
WARNING: Only images are available for download. use --list-formats to see them
ERROR: [youtube] CPCoMyuBRM0: Requested format is not available. Use --list-formats for a list of available formats
"""  # noqa: E501 - quoted as printed
"""Several lines at once, of which one decides."""


def transcripts(text: str) -> list[tuple[Reason, str]]:
    """Parse printed output, each piece under a line with the reason that it means."""
    text = text.replace("{hint}", HINT).replace("{cr}", "\r")
    pieces = (piece.partition("\n") for piece in f"\n{text}".split("\n== ")[1:])
    return [(Reason(reason), output.rstrip("\n")) for reason, _, output in pieces]


TABLES = ("STATED", "SYSTEMIC", "CLIENT", "TRANSPORT", "REASONLESS", "SYMPTOMS")
"""The tables of `messages` about yt-dlp."""
