# Dot-sourced by every test file: imports the built module, and gives the names of this run.
# VMMIGRATION_MODULE may name the manifest; otherwise it is what build.ps1 laid out.
$ErrorActionPreference = 'Stop'
$repository = Resolve-Path (Join-Path $PSScriptRoot '../..')
$manifest = $env:VMMIGRATION_MODULE
if (-not $manifest) {
    $version = (Import-PowerShellDataFile (Join-Path $repository 'VmMigration.psd1')).ModuleVersion
    $manifest = Join-Path $repository "out/VmMigration/$version/VmMigration.psd1"
}

if (-not (Test-Path $manifest)) { throw "No built module at $manifest. Build it first: ./build.ps1" }
if (-not (Get-Module VmMigration)) { Import-Module $manifest }
