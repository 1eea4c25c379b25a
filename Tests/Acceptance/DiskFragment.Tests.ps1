BeforeAll {
    . $PSScriptRoot/ImportModule.ps1
    $null = New-MigrationHost keep01 -DemoDiskBytes 128MB
    $null = New-MigrationHost keep02
    $original = Join-Path (Get-MigrationHost keep01).DatastoreDirectory demo.raw

    function Invoke-Interruption {
        $begun = Start-DiskTransfer demo.raw keep01 keep02 -MaxBytesPerSecond 16MB -DestinationPath $args[0]
        $null = $begun | Wait-DiskTransfer -PercentComplete 40 -Timeout 1min
        $begun | Stop-DiskTransfer
        Get-DiskFragment -Id $begun.Id
    }
}

AfterAll { Get-MigrationHost keep0* | Disconnect-MigrationHost -Force }

Describe 'DiskFragment' {
    AfterEach { Get-DiskFragment -HostName keep* | Remove-DiskFragment -Force }

    It 'says of which disk it is, how much is there, and why no more' {
        $fragment = Invoke-Interruption described.raw
        $fragment.SourceHostName | Should -Be keep01
        $fragment.HostName | Should -Be keep02
        $fragment.SourcePath | Should -Be $original
        $fragment.ErrorId | Should -Be Cancelled
        $fragment.OffsetBytes | Should -BeGreaterThan 0
        $fragment.OffsetBytes | Should -BeLessThan $fragment.SizeBytes
        $fragment.Path | Should -Exist
        $fragment | Out-String -Width 100 | Should -Match 'demo\.raw +keep01 +keep02'
    }

    It 'is found by the same command again, which goes on from it' {
        $fragment = Invoke-Interruption again.raw
        $transfer = Start-DiskTransfer demo.raw keep01 keep02 -DestinationPath again.raw -Wait
        $transfer.Resumption.FragmentId | Should -Be $fragment.Id
        (Get-FileHash $transfer.DestinationPath).Hash | Should -Be (Get-FileHash $original).Hash
        Get-DiskFragment -HostName keep02 | Should -BeNullOrEmpty
    }

    It 'goes on from the pipeline' {
        $transfer = Invoke-Interruption piped.raw | Resume-DiskTransfer | Wait-DiskTransfer -Timeout 1min
        $transfer.Resumption.Kind | Should -Be Continued
        (Get-FileHash $transfer.DestinationPath).Hash | Should -Be (Get-FileHash $original).Hash
    }

    It 'is left alone with -NoFragment' {
        $fragment = Invoke-Interruption fresh.raw
        $transfer = Start-DiskTransfer demo.raw keep01 keep02 -DestinationPath fresh.raw -NoFragment -Wait
        $transfer.Resumption.Kind | Should -Be Fresh
        (Get-DiskFragment -HostName keep02).Id | Should -Be $fragment.Id
    }

    It 'of a disk that was written since gives the new contents' {
        $fragment = Invoke-Interruption changed.raw
        $bytes = [byte[]]::new(1MB)
        [Random]::Shared.NextBytes($bytes)
        $file = [IO.File]::OpenWrite($original)
        $file.Position = 4MB
        $file.Write($bytes)
        $file.Dispose()
        $transfer = $fragment | Resume-DiskTransfer -Wait
        $transfer.Resumption.Kind | Should -BeIn Compared, Anew
        $transfer.Resumption.Reason | Should -Not -BeNullOrEmpty
        (Get-FileHash $transfer.DestinationPath).Hash | Should -Be (Get-FileHash $original).Hash
    }

    It 'with a damaged block is mended' {
        $fragment = Invoke-Interruption damaged.raw
        $file = [IO.File]::OpenWrite($fragment.Path)
        $file.Position = 2MB
        $file.WriteByte(0x5a)
        $file.WriteByte(0xa5)
        $file.Dispose()
        $transfer = $fragment | Resume-DiskTransfer -Wait
        $transfer.State | Should -Be Completed
        (Get-FileHash $transfer.DestinationPath).Hash | Should -Be (Get-FileHash $original).Hash
    }

    It 'is removed with its file' {
        $fragment = Invoke-Interruption removed.raw
        $fragment | Remove-DiskFragment -WhatIf
        $fragment.Path | Should -Exist
        $fragment | Remove-DiskFragment -Force
        $fragment.Path | Should -Not -Exist
        Get-DiskFragment -Id $fragment.Id -ErrorVariable failures -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $failures.FullyQualifiedErrorId | Should -BeLike 'DiskFragmentNotFound,*'
    }

    It 'outlives its host' {
        $state = Join-Path ([IO.Path]::GetTempPath()) "vm-migration-$([guid]::NewGuid().ToString('N').Substring(0, 8))"
        try {
            $null = New-MigrationHost keep03 -StateDirectory $state
            $begun = Start-DiskTransfer demo.raw keep01 keep03 -MaxBytesPerSecond 16MB
            $null = $begun | Wait-DiskTransfer -PercentComplete 40 -Timeout 1min
            Disconnect-MigrationHost keep03 -Force
            $begun | Wait-DiskTransfer -Timeout 1min -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
            $null = New-MigrationHost keep03 -StateDirectory $state
            $transfer = Get-DiskFragment -HostName keep03 | Resume-DiskTransfer -Wait
            $transfer.Resumption.Kind | Should -Be Continued
            (Get-FileHash $transfer.DestinationPath).Hash | Should -Be (Get-FileHash $original).Hash
        }
        finally {
            Get-MigrationHost keep03* | Disconnect-MigrationHost -Force
            Remove-Item -Recurse $state
        }
    }
}
