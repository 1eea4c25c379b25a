BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    # Half of it holes: 64 MiB of data.
    $null = New-MigrationHost disk01 -DemoDiskBytes 128MB
    $null = New-MigrationHost disk02
    $there = (Get-MigrationHost disk02).DatastoreDirectory
    $original = Join-Path (Get-MigrationHost disk01).DatastoreDirectory demo.raw
    $hash = (Get-FileHash $original).Hash
    # So slow that a transfer goes on until it is stopped.
    $slow = @{ Path = 'demo.raw'; SourceHost = 'disk01'; DestinationHost = 'disk02'; MaxBytesPerSecond = 8MB }
}

AfterAll { Get-MigrationHost disk0* | Disconnect-MigrationHost -Force }

Describe 'DiskTransfer' {
    AfterEach {
        Stop-DiskTransfer *
        Get-DiskFragment | Remove-DiskFragment -Force
        Remove-Item $there/*.*
    }

    It 'copies a disk byte for byte, and sends no holes' {
        $transfer = Start-DiskTransfer demo.raw disk01 disk02 -Wait
        $transfer.State | Should -Be Completed
        $transfer.Resumption.Kind | Should -Be Fresh
        $transfer.DataBytes | Should -Be 64MB
        (Get-FileHash $transfer.DestinationPath).Hash | Should -Be $hash
    }

    It 'copies it compressed, over several connections, to another name' {
        $transfer = Start-DiskTransfer demo.raw disk01 disk02 -DestinationPath sub/copy.raw -Compression Zstd -Channels 4 -Wait
        $transfer.DestinationPath | Should -Be (Join-Path $there sub/copy.raw)
        (Get-FileHash $transfer.DestinationPath).Hash | Should -Be $hash
        Remove-Item -Recurse $there/sub
    }

    It 'goes on after an interruption, and sends only what is missing' {
        $begun = Start-DiskTransfer @slow
        $null = $begun | Wait-DiskTransfer -PercentComplete 40 -Timeout 1min
        $stopped = $begun | Stop-DiskTransfer -PassThru
        $stopped.State | Should -Be Cancelled
        $kept = Get-DiskFragment -Id $stopped.FragmentId
        $kept.OffsetBytes | Should -BeGreaterThan 0

        $resumed = Resume-DiskTransfer demo.raw -MaxBytesPerSecond 0 -Wait
        $resumed.Resumption.Kind | Should -Be Continued
        $resumed.Resumption.OffsetBytes | Should -Be $kept.OffsetBytes
        $resumed.SentBytes | Should -BeLessOrEqual ($resumed.SizeBytes - $kept.OffsetBytes + 16MB)
        (Get-FileHash $resumed.DestinationPath).Hash | Should -Be $hash
        Get-DiskFragment | Should -BeNullOrEmpty
    }

    It 'has its final name only at its end' {
        $begun = Start-DiskTransfer @slow
        $null = $begun | Wait-DiskTransfer -PercentComplete 20 -Timeout 1min
        $begun.DestinationPath | Should -Not -Exist
        Resume-DiskTransfer -Id ($begun | Stop-DiskTransfer -PassThru).Id -MaxBytesPerSecond 0 -Wait | Should -Not -BeNullOrEmpty
        $begun.DestinationPath | Should -Exist
    }

    It 'is suspended and goes on with the same transfer' {
        $begun = Start-DiskTransfer @slow
        $null = $begun | Wait-DiskTransfer -PercentComplete 10 -Timeout 1min
        $suspended = $begun | Suspend-DiskTransfer -PassThru
        $suspended.State | Should -Be Suspended
        ($begun | Resume-DiskTransfer).Id | Should -Be $begun.Id
        ($begun | Get-DiskTransfer).State | Should -BeIn Transferring, Verifying
    }

    It 'does not replace a file unless told to' {
        'mine' | Set-Content $there/demo.raw
        Start-DiskTransfer demo.raw disk01 disk02 -Wait -ErrorVariable failures -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failures.FullyQualifiedErrorId | Should -BeLike 'InvalidState,*'
        Get-Content $there/demo.raw | Should -Be mine
        (Start-DiskTransfer demo.raw disk01 disk02 -Force -Wait).State | Should -Be Completed
        (Get-FileHash $there/demo.raw).Hash | Should -Be $hash
    }

    It 'runs as a job, and stops with it' {
        $job = Start-DiskTransfer @slow -AsJob
        $job | Stop-Job
        $job.State | Should -Be Stopped
        $job | Remove-Job
        $job = Resume-DiskTransfer demo.raw -MaxBytesPerSecond 0 -AsJob
        ($job | Receive-Job -Wait -AutoRemoveJob).State | Should -Be Completed
    }

    It 'that does not end in time is an error that carries it, and goes on' {
        $begun = Start-DiskTransfer @slow
        $begun | Wait-DiskTransfer -Timeout 0.2 -ErrorVariable failures -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failures.FullyQualifiedErrorId | Should -BeLike 'TimedOut,*'
        $failures.TargetObject.Id | Should -Be $begun.Id
        ($begun | Get-DiskTransfer).HasEnded | Should -BeFalse
    }

    It 'is not started with -WhatIf' {
        $before = @(Get-DiskTransfer).Count
        Start-DiskTransfer demo.raw disk01 disk02 -WhatIf | Should -BeNullOrEmpty
        @(Get-DiskTransfer).Count | Should -Be $before
    }

    It 'of a disk that is not there says so' {
        Start-DiskTransfer none.raw disk01 disk02 -ErrorVariable failures -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failures.FullyQualifiedErrorId | Should -BeLike 'DiskNotFound,*'
    }

    It 'takes files from the pipeline' {
        $transfers = Get-Item $original | Start-DiskTransfer -SourceHost disk01 -DestinationHost disk02 | Wait-DiskTransfer -Timeout 1min
        $transfers.SourcePath | Should -Be $original
        (Get-FileHash $there/demo.raw).Hash | Should -Be $hash
    }

    It 'converts to qcow2 what is inside' {
        if (-not (Get-Command qemu-img, qemu-nbd -ErrorAction Ignore)) { Set-ItResult -Skipped -Because 'qemu-img or qemu-nbd is not installed' }
        $converted = Start-DiskTransfer demo.raw disk01 disk02 -DestinationPath demo.qcow2 -DestinationFormat Qcow2 -Wait
        $converted.State | Should -Be Completed
        qemu-img compare -f raw -F qcow2 $original $converted.DestinationPath
        $LASTEXITCODE | Should -Be 0
    }
}
