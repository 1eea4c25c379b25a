BeforeDiscovery {
    $missing = if (-not $IsLinux) { 'QEMU guests need Linux' }
        elseif (-not (Get-Command qemu-system-x86_64 -ErrorAction Ignore)) { 'qemu-system-x86_64 is not installed' }
        elseif ((id -u) -ne 0) { 'moving the memory of a QEMU from outside needs root' }
}

BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $null = 'qemu01', 'qemu02' | New-MigrationHost
}

AfterAll { Get-MigrationHost qemu* | Disconnect-MigrationHost -Force }

Describe 'A VM of QEMU' -Skip:([bool] $missing) {
    It 'can run here' {
        Test-MigrationHost qemu01 -Hypervisor Qemu -Quiet | Should -BeTrue
    }

    It 'is defined with a kernel and disks' {
        $kernel = (Get-Item /boot/vmlinuz-*)[-1].FullName
        $vm = New-MigrationVm defined qemu01 64MB -KernelPath $kernel -Disk @{ Path = '/dev/null'; ReadOnly = $true } -Network User -Accelerator Tcg
        $vm.Hypervisor | Should -Be Qemu
        $vm.State | Should -Be Stopped
        $vm | Remove-MigrationVm -Force
    }

    It 'that something else started is adopted, paused and let go' {
        $directory = Join-Path ([IO.Path]::GetTempPath()) "vm-migration-$([guid]::NewGuid().ToString('N').Substring(0, 8))"
        $null = New-Item -ItemType Directory $directory
        try {
            qemu-system-x86_64 -name adopted -nodefaults -display none -machine "q35,accel=tcg" -m 64 -daemonize -pidfile $directory/pid `
                -qmp "unix:$directory/qmp,server=on,wait=off"
            $vm = Register-MigrationVm -QmpSocketPath $directory/qmp -HostName qemu01
            $vm.Name | Should -Be adopted
            $vm.State | Should -Be Running
            $vm.ProcessId | Should -Be ([int](Get-Content $directory/pid))
            $vm.EngineMigrationRefused | Should -Not -BeNullOrEmpty -Because 'its memory is not a shared file'
            ($vm | Suspend-MigrationVm -PassThru).State | Should -Be Paused
            ($vm | Test-VmMigration -DestinationHost qemu02).UsesHypervisorMigration | Should -BeTrue
            $vm | Stop-MigrationVm -TurnOff -Force
            # It is a child of init, which may take a moment to take note of its end.
            Wait-Process -Id $vm.ProcessId -Timeout 10 -ErrorAction Ignore
            Get-Process -Id $vm.ProcessId -ErrorAction Ignore | Should -BeNullOrEmpty
        }
        finally {
            Remove-Item -Recurse $directory
        }
    }
}
