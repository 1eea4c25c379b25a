BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    # VMMIGRATION_RUNNER may name the program; otherwise it is what build.ps1 built.
    $runner = $env:VMMIGRATION_RUNNER ?? (Join-Path $repository 'Cmdlets/Runner/bin/Release/net10.0/vm-migration.dll')
    if (-not (Test-Path $runner)) { throw "No built program at $runner. Build it first: ./build.ps1" }

    # Short, for unix sockets lie below it.
    $root = Join-Path ([System.IO.Path]::GetTempPath()) "agents-$([guid]::NewGuid().ToString('N').Substring(0, 8))"
    $pki = Join-Path $root pki
    $null = 'agent-1', 'agent-2' | New-MigrationHostCertificate -Authority $pki -IPAddress 127.0.0.1
    $admin = New-MigrationHostCertificate admin -Authority $pki -Purpose Client -ValidFor 1h
    $agents = @{}

    # Starts an agent as a process of its own, with the configuration that the help describes, and waits until it listens.
    function Start-Agent([string] $Name, [int] $Port = 0) {
        $directory = Join-Path $root $Name
        $null = New-Item -ItemType Directory -Force $directory
        @{
            name           = $Name
            stateDirectory = 'state'
            control        = @{
                listen      = @("https://127.0.0.1:$Port")
                certificate = "$pki/$Name.crt"
                key         = "$pki/$Name.key"
                authority   = "$pki/ca.crt"
                unixSocket  = @{ path = 'agent.sock' }
            }
            migration      = @{ linkSecurity = 'Tls' }
        } | ConvertTo-Json -Depth 4 | Set-Content "$directory/agent.json"
        $start = @{
            FilePath               = 'dotnet'
            ArgumentList           = $runner, 'host', '--config', "$directory/agent.json"
            RedirectStandardOutput = "$directory/out"
            RedirectStandardError  = "$directory/log"
            PassThru               = $true
        }
        $process = Start-Process @start
        $deadline = [datetime]::UtcNow.AddSeconds(60)
        do {
            if ($process.HasExited -or [datetime]::UtcNow -gt $deadline) { throw "Agent $Name does not listen: $(Get-Content -Raw $directory/log)" }
            Start-Sleep -Milliseconds 100
            $said = (Get-Content -Raw "$directory/out") ?? ''
        } until ($said -match 'Listening on (https://\S+)[\s\S]*Listening on (unix://\S+)' -or $said -match 'Listening on (unix://\S+)[\s\S]*Listening on (https://\S+)')
        $null = $said -match 'https://\S+'
        $agents[$Name] = [pscustomobject]@{ Process = $process; Uri = [uri] $Matches[0]; Socket = "$directory/agent.sock"; Log = "$directory/log" }
    }

    'agent-1', 'agent-2' | ForEach-Object { Start-Agent $_ }
}

AfterAll {
    Disconnect-MigrationHost agent-* -Force
    foreach ($agent in $agents.Values) {
        $agent.Process.Kill()
        $agent.Process.WaitForExit()
    }
    Remove-Item $root -Recurse -Force
}

Describe 'Host agents' {
    BeforeEach {
        foreach ($agent in $agents.Values) { $null = $admin | Connect-MigrationHost -Uri $agent.Uri }
    }

    AfterEach {
        Get-MigrationVm -HostName agent-* | Where-Object State -NE Stopped | Stop-MigrationVm -TurnOff -Force
        Get-MigrationVm -HostName agent-* | Remove-MigrationVm -Force
        Disconnect-MigrationHost agent-*
    }

    It 'are hosts of the session like others' {
        $hosts = Get-MigrationHost agent-*
        $hosts.Name | Should -Be agent-1, agent-2
        $hosts.Kind | Should -Be Agent, Agent
        $hosts[0].Uri | Should -Be $agents['agent-1'].Uri
        $hosts.LinkSecurity | Should -Be Tls, Tls
        $hosts | Out-String -Width 100 | Should -Match 'Agent.*Tls.*https://127'
    }

    It 'say how they are reached, and until when' {
        $checks = Test-MigrationHost agent-1
        ($checks | Where-Object Check -In Connection, Certificate, Version, Link).Passed | Should -Not -Contain $false
        ($checks | Where-Object Check -EQ Connection).Message | Should -Match ' ms\.$'
        Test-MigrationHost agent-1 -Hypervisor Embedded -Quiet | Should -BeTrue
    }

    It 'move a VM between each other, inside TLS, with every byte compared' {
        New-MigrationVm web agent-1 64MB -Program HotSetWriter -StepsPerSecond 2000 | Start-MigrationVm
        (Test-VmMigration web agent-2).CanMigrate | Should -BeTrue
        $migration = Start-VmMigration web -DestinationHost agent-2 -VerifyMemory -Wait
        $migration.State | Should -Be Completed
        $migration.Result.MemoryVerified | Should -BeTrue
        $migration.Result.LinkSecurity | Should -Be Tls
        $vm = Get-MigrationVm web
        $vm.HostName | Should -Be agent-2
        $vm.State | Should -Be Running
    }

    It 'go on without the session' {
        New-MigrationVm web agent-1 64MB -Program HotSetWriter -StepsPerSecond 2000 | Start-MigrationVm
        $migration = Start-VmMigration web -DestinationHost agent-2 -MaxBytesPerSecond 32MB
        Disconnect-MigrationHost agent-*
        Get-MigrationHost agent-* | Should -BeNullOrEmpty
        foreach ($agent in $agents.Values) { $null = $admin | Connect-MigrationHost -Uri $agent.Uri }
        ($migration | Wait-VmMigration -Timeout 2min).State | Should -Be Completed
        (Get-MigrationVm web).HostName | Should -Be agent-2
    }

    It 'are reached by their socket without a certificate' {
        Disconnect-MigrationHost agent-1
        $connected = Connect-MigrationHost $agents['agent-1'].Socket
        $connected.Name | Should -Be agent-1
        $connected.Uri.Scheme | Should -Be unix
    }

    It 'refuse who shows no certificate, or one of another authority, and go on' {
        Disconnect-MigrationHost agent-1
        { Connect-MigrationHost $agents['agent-1'].Uri -CertificateAuthority $pki/ca.crt -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidArgument,*'
        $stranger = @{
            Certificate          = New-MigrationHostCertificate stranger (Join-Path $root other) -Purpose Client
            CertificateAuthority = "$pki/ca.crt"
        }
        { Connect-MigrationHost $agents['agent-1'].Uri @stranger -ErrorAction Stop } | Should -Throw -ErrorId 'AccessDenied,*'
        Get-MigrationHost agent-1 -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        Get-Content -Raw $agents['agent-1'].Log | Should -Match 'Refused .*CN=stranger'
        ($admin | Connect-MigrationHost -Uri $agents['agent-1'].Uri).Name | Should -Be agent-1
    }

    It 'that were killed leave the others in sight, and are found again' {
        New-MigrationVm kept agent-1 16MB
        $port = $agents['agent-2'].Uri.Port
        $agents['agent-2'].Process.Kill()
        $agents['agent-2'].Process.WaitForExit()
        $seen = Get-MigrationVm * -HostName agent-* -ErrorVariable failures -ErrorAction SilentlyContinue
        $seen.Name | Should -Be kept
        $failures.Count | Should -Be 1
        $failures[0].FullyQualifiedErrorId | Should -BeLike 'ConnectionLost,*'
        $failures[0].TargetObject | Should -Be agent-2
        (Test-MigrationHost agent-2 | Where-Object Check -EQ Connection).Passed | Should -BeFalse
        Start-Agent agent-2 $port
        (Get-MigrationHost agent-2).Name | Should -Be agent-2
    }
}
