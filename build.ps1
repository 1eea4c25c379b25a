#requires -Version 7.6
<#
.SYNOPSIS
Builds the importable module into out/VmMigration/<version>, tests it, or removes what was built.
.EXAMPLE
./build.ps1
Import-Module (Get-Item out/VmMigration/*/VmMigration.psd1)
.EXAMPLE
./build.ps1 -Task Test
#>
[CmdletBinding()]
param(
    # Build: the module. Test: all tests. Pester: the acceptance tests on the built module only. Clean: removes what was built.
    [ValidateSet('Build', 'Test', 'Pester', 'Clean')]
    [string] $Task = 'Build',

    [ValidateSet('Debug', 'Release')]
    [string] $Configuration = 'Release'
)

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $true
Set-Location $PSScriptRoot

function Build {
    dotnet build Cmdlets -t:LayOutModule -c $Configuration -v minimal
}

function Invoke-Acceptance {
    # The tests of host agents start it.
    dotnet build Cmdlets/Runner -c Release -v minimal
    Import-Module Pester -MinimumVersion 5.5 -ErrorAction SilentlyContinue
    if (-not (Get-Module Pester)) { throw 'Pester 5.5 or later is needed: Install-PSResource Pester -TrustRepository' }
    $pester = New-PesterConfiguration
    $pester.Run.Path = 'Tests/Acceptance'
    $pester.Run.PassThru = $true
    $pester.Output.Verbosity = 'Detailed'
    $result = Invoke-Pester -Configuration $pester
    # Files and blocks that could not run count as failures: they hold tests that did not run.
    $failed = $result.FailedCount + $result.FailedBlocksCount + $result.FailedContainersCount
    "Pester: $($result.PassedCount) passed, $failed failed, $($result.SkippedCount) skipped"
    if ($failed -gt 0 -or $result.PassedCount -eq 0) { exit 1 }
}

switch ($Task) {
    'Build' { Build }
    'Test' {
        dotnet test --max-parallel-test-modules 1 -c $Configuration
        Build
        Invoke-Acceptance
    }
    'Pester' {
        Build
        Invoke-Acceptance
    }
    'Clean' { dotnet clean VmMigration.slnx -c $Configuration -v minimal }
}
