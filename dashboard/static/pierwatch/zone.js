// Tells the server the browser's time zone before the first page with times: unless the person chose one.
if (!/(?:^|; )pierwatch_time_zone=/.test(document.cookie)) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `pierwatch_time_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}
