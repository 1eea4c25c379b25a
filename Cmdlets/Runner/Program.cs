using VmMigration.Runner;

// Before anything of PowerShell is touched: it reads the variable once.
Environment.SetEnvironmentVariable("POWERSHELL_TELEMETRY_OPTOUT", "1");
return await CommandLine.RunAsync(args).ConfigureAwait(false);
